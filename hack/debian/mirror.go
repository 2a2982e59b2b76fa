package debian

import (
	"bufio"
	"os"
	"path"
	"path/filepath"
	"strings"
)

const (
	keyring          = "/usr/share/keyrings/debian-archive-keyring.gpg"
	fallbackArchive  = "http://deb.debian.org/debian"
	fallbackSecurity = "http://deb.debian.org/debian-security"
)

// mirrors holds the two archives packages come from.
type mirrors struct {
	archive, security string
}

// machineMirrors finds the Debian mirrors this machine is set up to use: they
// are near, and often the only ones it can reach. The root is a value so that
// tests can bring their own.
func machineMirrors(root string) mirrors {
	m := mirrors{}
	for _, s := range readSources(root) {
		switch {
		case s.isSecurity() && m.security == "":
			m.security = s.uri
		case s.isArchive() && m.archive == "":
			m.archive = s.uri
		}
	}
	if m.archive == "" {
		m.archive = fallbackArchive
	}
	if m.security == "" {
		m.security = fallbackSecurity
	}
	return m
}

// source is one archive from apt's configuration.
type source struct {
	uri, suites, signedBy string
}

// fromDebian keeps third parties out: their archives have a main component too.
func (s source) fromDebian() bool {
	base := path.Base(strings.TrimRight(s.uri, "/"))
	return base == "debian" || base == "debian-security" || strings.Contains(s.signedBy, "debian-archive-keyring")
}

func (s source) isSecurity() bool {
	return s.fromDebian() && strings.Contains(s.suites, "-security")
}

func (s source) isArchive() bool {
	return s.fromDebian() && !strings.Contains(s.suites, "-security")
}

// readSources reads both notations. What cannot be read is skipped: there is a
// fallback, and a download says soon enough if it is the wrong one.
func readSources(root string) []source {
	apt := filepath.Join(root, "etc/apt")
	var out []source
	deb822, _ := filepath.Glob(filepath.Join(apt, "sources.list.d", "*.sources"))
	for _, name := range deb822 {
		out = append(out, readStanzas(name)...)
	}
	lists, _ := filepath.Glob(filepath.Join(apt, "sources.list.d", "*.list"))
	for _, name := range append([]string{filepath.Join(apt, "sources.list")}, lists...) {
		out = append(out, readOneLiners(name)...)
	}
	return out
}

// readStanzas reads the deb822 notation: fields in stanzas, an empty line
// between them.
func readStanzas(name string) []source {
	var out []source
	fields := map[string]string{}
	flush := func() {
		if strings.Contains(fields["types"]+" ", "deb ") && !strings.EqualFold(fields["enabled"], "no") {
			if uris := strings.Fields(fields["uris"]); len(uris) > 0 {
				out = append(out, source{uri: uris[0], suites: fields["suites"], signedBy: fields["signed-by"]})
			}
		}
		fields = map[string]string{}
	}
	for _, line := range readLines(name) {
		if strings.TrimSpace(line) == "" {
			flush()
			continue
		}
		if key, value, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, " ") {
			fields[strings.ToLower(key)] = strings.TrimSpace(value)
		}
	}
	flush()
	return out
}

// readOneLiners reads "deb [options] URI SUITE COMPONENTS".
func readOneLiners(name string) []source {
	var out []source
	for _, line := range readLines(name) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		var options string
		if rest = strings.TrimSpace(rest); strings.HasPrefix(rest, "[") {
			options, rest, _ = strings.Cut(rest, "]")
		}
		if f := strings.Fields(rest); len(f) >= 2 {
			out = append(out, source{uri: f[0], suites: f[1], signedBy: options})
		}
	}
	return out
}

func readLines(name string) []string {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	var lines []string
	for s := bufio.NewScanner(f); s.Scan(); {
		lines = append(lines, s.Text())
	}
	return lines
}
