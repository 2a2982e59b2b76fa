// Package systree captures a part of sysfs as one text file, for tests that want
// a kernel's own words without the kernel.
//
//	# kernel: RELEASE
//	# command: what captured it
//	D path                  a folder
//	L path -> target        a symbolic link, as it is
//	F path N                a file, followed by N bytes and a line feed
//
// Paths are relative to /sys.
package systree

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"unicode/utf8"
)

// NVMe are the roots to look at for NVMe: patterns below /sys. Links that match
// are captured together with the folders they lead to.
var NVMe = []string{
	"class/nvme/*", "class/nvme-subsystem/*", "class/nvme-fabrics/*", "class/nvme-generic/*",
	"block/nvme*", "module/nvme_core/parameters",
}

const (
	root = "/sys"
	// maxFile is one page: no attribute of text is longer.
	maxFile = 4096
)

// noise is left out wherever it is: run-time power management, and one folder
// for every hardware queue.
var noise = []string{"power", "mq"}

// Capture writes the trees the patterns match to a file.
func Capture(file string, patterns []string, release, command string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	c := &capture{w: bufio.NewWriter(f), seen: map[string]bool{}}
	fmt.Fprintf(c.w, "# kernel: %s\n# command: %s\n", release, command)
	return errors.Join(c.all(patterns), c.w.Flush(), f.Close())
}

type capture struct {
	w    *bufio.Writer
	seen map[string]bool
}

func (c *capture) all(patterns []string) error {
	var start []string
	for _, p := range patterns {
		matches, err := filepath.Glob(filepath.Join(root, p))
		if err != nil {
			return err
		}
		start = append(start, matches...)
	}
	slices.Sort(start)
	devices, err := c.numbers()
	if err != nil {
		return err
	}
	// Links first, the folders they lead to after them. A device below another
	// is written with it, once.
	var folders []string
	for _, name := range append(start, devices...) {
		if err := c.walk(name); err != nil {
			return err
		}
		folder, err := filepath.EvalSymlinks(name)
		if gone(err) {
			continue
		}
		if err != nil {
			return err
		}
		folders = append(folders, folder)
	}
	slices.Sort(folders)
	for _, f := range folders {
		if err := c.walk(f); err != nil {
			return err
		}
	}
	return nil
}

// numbers are the links of /sys/dev/block that lead to NVMe disks.
func (c *capture) numbers() ([]string, error) {
	links, err := filepath.Glob(filepath.Join(root, "dev/block/*"))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(links, func(link string) bool {
		target, err := os.Readlink(link)
		nvme, _ := filepath.Match("nvme*", filepath.Base(target))
		return err != nil || !nvme
	}), nil
}

// walk writes everything from name on, not following links. What vanishes on
// the way is left out.
func (c *capture) walk(name string) error {
	return filepath.WalkDir(name, func(p string, d fs.DirEntry, err error) error {
		switch {
		case gone(err):
			return nil
		case err != nil:
			return err
		case slices.Contains(noise, d.Name()) || c.seen[p]:
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		c.seen[p] = true
		return c.entry(p, d)
	})
}

func (c *capture) entry(name string, d fs.DirEntry) error {
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return err
	}
	switch {
	case d.IsDir():
		_, err = fmt.Fprintf(c.w, "D %s\n", rel)
	case d.Type()&fs.ModeSymlink != 0:
		var target string
		if target, err = os.Readlink(name); gone(err) {
			return nil
		}
		if err == nil {
			_, err = fmt.Fprintf(c.w, "L %s -> %s\n", rel, target)
		}
	case d.Type().IsRegular():
		if content, ok := attribute(name); ok {
			_, err = fmt.Fprintf(c.w, "F %s %d\n%s\n", rel, len(content), content)
		}
	}
	return err
}

// attribute reads a file. Many cannot be read: they are only for writing, or
// make no sense in the device's state.
func attribute(name string) ([]byte, bool) {
	info, err := os.Lstat(name)
	if err != nil || info.Mode().Perm()&0o444 == 0 {
		return nil, false
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil || len(content) > maxFile || !utf8.Valid(content) {
		return nil, false
	}
	return content, true
}

func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
