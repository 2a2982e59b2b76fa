package loader

import (
	"bufio"
	"debug/elf"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// maxLinks is how many links the kernel follows in one path (path_resolution(7)).
const maxLinks = 40

// resolve returns the file here that is called name in the root: links are
// followed as if the root were "/".
func (r Root) resolve(name string) (string, error) {
	at, rest := "/", path.Clean("/"+name)
	for links := 0; rest != ""; {
		var element string
		element, rest, _ = strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		next := path.Join(at, element)
		target, err := os.Readlink(filepath.Join(r.dir, next))
		if err != nil {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: too many links", name)
		}
		if path.IsAbs(target) {
			at = "/"
		}
		rest = target + "/" + rest
	}
	file := filepath.Join(r.dir, at)
	_, err := os.Stat(file)
	return file, err
}

// candidates are the files that exist by a library's name, in the order in
// which the loader looks for them.
func (r Root) candidates(user *elf.File, host, name string) []string {
	if strings.Contains(name, "/") {
		return r.existing(name)
	}
	origin := "/" + strings.TrimPrefix(filepath.Dir(host), r.dir)
	var files []string
	for _, dir := range slices.Concat(runPath(user), r.searchPath()) {
		files = append(files, r.existing(path.Join(strings.ReplaceAll(dir, "$ORIGIN", origin), name))...)
	}
	return files
}

func (r Root) existing(name string) []string {
	file, err := r.resolve(name)
	if err != nil {
		return nil
	}
	return []string{file}
}

// searchPath is the loader's: ld.so.conf with the files it includes, and the
// built-in folders.
func (r Root) searchPath() []string {
	triplet := path.Base(r.libs)
	return append(r.readConf("/etc/ld.so.conf"), "/lib/"+triplet, r.libs, "/lib64", "/usr/lib64", "/lib", "/usr/lib")
}

func (r Root) readConf(name string) []string {
	file, err := r.resolve(name)
	if err != nil {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	var dirs []string
	for s := bufio.NewScanner(f); s.Scan(); {
		line, _, _ := strings.Cut(s.Text(), "#")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 2 && fields[0] == "include":
			for _, included := range r.glob(path.Dir(name), fields[1]) {
				dirs = append(dirs, r.readConf(included)...)
			}
		case len(fields) == 1:
			dirs = append(dirs, fields[0])
		}
	}
	return dirs
}

// glob returns the names in the root that match a pattern, which may be
// relative to dir.
func (r Root) glob(dir, pattern string) []string {
	if !path.IsAbs(pattern) {
		pattern = path.Join(dir, pattern)
	}
	files, _ := filepath.Glob(filepath.Join(r.dir, pattern))
	slices.Sort(files)
	for i, file := range files {
		files[i] = "/" + strings.TrimPrefix(strings.TrimPrefix(file, r.dir), "/")
	}
	return files
}
