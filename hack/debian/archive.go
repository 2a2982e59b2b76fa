// Package debian downloads and unpacks packages from the Debian mirror that
// this machine is set up for. Nothing is installed, no script of a package
// runs, and packages of another architecture are as good as the machine's own.
package debian

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Suite is a release of Debian for one architecture.
type Suite struct {
	// Name is that of the release: trixie, sid.
	Name string
	// Security adds its security archive, where updates appear first.
	Security bool
	// Arch is the architecture as Debian calls it; empty: amd64.
	Arch string
}

func (s Suite) arch() string {
	if s.Arch == "" {
		return "amd64"
	}
	return s.Arch
}

// Archive is apt with a configuration of its own below dir: its lists, its
// cache and its sources. The machine's own apt is neither read nor changed, so
// a stable machine can fetch a kernel from unstable without ever installing
// anything else from there.
type Archive struct {
	dir, arch string
}

// Open points a private apt below dir at a suite, and fetches its lists of
// packages.
func Open(ctx context.Context, dir string, suite Suite) (*Archive, error) {
	if _, err := os.Stat(keyring); err != nil {
		return nil, fmt.Errorf("the archive keys of Debian (package debian-archive-keyring): %w", err)
	}
	a := &Archive{dir: dir, arch: suite.arch()}
	for _, d := range []string{"lists/partial", "cache/archives/partial", "packages"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	m := machineMirrors("/")
	sources := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, m.archive, suite.Name)
	if suite.Security {
		sources += fmt.Sprintf("deb [signed-by=%s] %s %s-security main\n", keyring, m.security, suite.Name)
	}
	// No packages are installed in this view of the world.
	if err := os.WriteFile(a.path("status"), nil, 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(a.path("sources.list"), []byte(sources), 0o644); err != nil {
		return nil, err
	}
	_, err := a.run(ctx, "apt-get", "update")
	return a, err
}

func (a *Archive) path(name string) string { return filepath.Join(a.dir, name) }

// run calls one of apt's tools and returns what it printed.
func (a *Archive) run(ctx context.Context, tool string, args ...string) (string, error) {
	options := []string{
		"-q", "-oDir::Etc::sourcelist=" + a.path("sources.list"), "-oDir::Etc::sourceparts=-",
		"-oDir::State::lists=" + a.path("lists"), "-oDir::State::status=" + a.path("status"),
		"-oDir::Cache=" + a.path("cache"), "-oAPT::Sandbox::User=root",
		"-oAPT::Architecture=" + a.arch, "-oAPT::Architectures::=" + a.arch,
		"-oAcquire::Languages=none",
	}
	cmd := exec.CommandContext(ctx, tool, append(options, args...)...)
	cmd.Dir = a.path("packages")
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", tool, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Depends names the packages that one depends on directly.
func (a *Archive) Depends(ctx context.Context, pkg string) ([]string, error) {
	out, err := a.run(ctx, "apt-cache", "depends", pkg)
	if err != nil {
		return nil, err
	}
	var depends []string
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: "); ok {
			depends = append(depends, name)
		}
	}
	return depends, nil
}

// Closure lists what a machine without any package would have to install.
func (a *Archive) Closure(ctx context.Context, names []string) ([]string, error) {
	out, err := a.run(ctx, "apt-get", append([]string{"install", "--simulate", "--no-install-recommends"}, names...)...)
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Inst" {
			all = append(all, f[1])
		}
	}
	return all, nil
}

// Size is how many bytes a download will be, for the progress line only.
func (a *Archive) Size(ctx context.Context, packages []string) int64 {
	out, err := a.run(ctx, "apt-cache", append([]string{"show", "--no-all-versions"}, packages...)...)
	if err != nil {
		return 0
	}
	var sum int64
	for line := range strings.Lines(out) {
		if value, ok := strings.CutPrefix(line, "Size: "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			sum += n
		}
	}
	return sum
}
