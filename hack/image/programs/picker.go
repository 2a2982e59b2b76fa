package programs

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/braid-csi/braid/hack/image"
	"github.com/braid-csi/braid/hack/loader"
)

// picker takes files from the packages, and remembers them.
type picker struct {
	source
	loader loader.Root
	files  *image.Files
	picked map[string]bool // paths in the packages
}

// program takes a program and what it is loaded with. mkfs.ext4 is a link to
// mke2fs, and modprobe one to kmod.
func (p *picker) program(name string) error {
	for {
		target, err := os.Readlink(filepath.Join(p.root, name))
		if err != nil {
			break
		}
		p.files.Link(merged(name), target)
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(name), target)
		}
		name = target
	}
	if err := p.file(name); err != nil {
		return err
	}
	libraries, err := p.loader.Needs(filepath.Join(p.root, name))
	if err != nil {
		return err
	}
	for _, l := range libraries {
		if l.Interpreter != "" && merged(l.Interpreter) != l.Path {
			p.files.Link(merged(l.Interpreter), l.Path)
		}
		if err := p.files.File(l.Path, l.Host); err != nil {
			return err
		}
		p.picked[strings.TrimPrefix(l.Host, p.root)] = true
	}
	return nil
}

func (p *picker) file(name string) error {
	p.picked[name] = true
	return p.files.File(merged(name), filepath.Join(p.root, name))
}

// skeleton is the folders that programs find on any machine.
func (p *picker) skeleton() {
	for _, name := range mergedDirs {
		p.files.Dir("/usr/"+name, 0o755)
		p.files.Link("/"+name, "usr/"+name)
	}
	p.files.Dir("/run", 0o755)
	p.files.Dir("/tmp", 0o1777)
}

// mergedDirs are links into /usr.
var mergedDirs = []string{"bin", "sbin", "lib", "lib64"}

// merged is where a file really is.
func merged(name string) string {
	if first, _, _ := strings.Cut(strings.TrimPrefix(name, "/"), "/"); slices.Contains(mergedDirs, first) {
		return "/usr" + name
	}
	return name
}
