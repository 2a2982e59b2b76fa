// Package initramfs builds the root file system a test bed guest runs from: an
// uncompressed newc cpio archive the kernel unpacks into memory.
//
// It is not compressed because QEMU hands it over at memory speed, while an
// emulated processor would need longer to decompress it than to boot.
package initramfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

// Tree is a root file system in the making. Paths in it are absolute guest
// paths; missing parent folders appear by themselves.
type Tree struct {
	nodes map[string]node
}

// node is one entry: a folder, a link, a device or a file, whose content is
// either here or in a host file.
type node struct {
	mode   uint32 // type and permissions, as in stat
	data   []byte // a file's content or a link's target
	host   string // host file with the content
	device uint32 // minor number of a character device with major 5
}

const (
	typeDir    = 0o040000
	typeFile   = 0o100000
	typeLink   = 0o120000
	typeDevice = 0o020000
)

// NewTree returns a root with the links of a merged /usr, so that a program
// finds its loader and libraries under either name.
func NewTree() *Tree {
	t := &Tree{nodes: map[string]node{}}
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		t.nodes["/"+name] = node{mode: typeLink | 0o777, data: []byte("usr/" + name)}
		t.Dir("/usr/"+name, 0o755)
	}
	return t
}

// resolve follows the links of the merged /usr, and nothing else: an archive
// must not name a file below a link.
func resolve(name string) string {
	name = path.Clean("/" + name)
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib64"} {
		if strings.HasPrefix(name, dir+"/") {
			return "/usr" + name
		}
	}
	return name
}

func (t *Tree) put(name string, n node) {
	name = resolve(name)
	if parent := path.Dir(name); parent != "/" {
		if _, ok := t.nodes[parent]; !ok {
			t.put(parent, node{mode: typeDir | 0o755})
		}
	}
	t.nodes[name] = n
}

// Dir adds a folder.
func (t *Tree) Dir(name string, perm uint32) { t.put(name, node{mode: typeDir | perm}) }

// Content adds a file with that content.
func (t *Tree) Content(name string, content []byte, perm uint32) {
	t.put(name, node{mode: typeFile | perm, data: content})
}

// Link adds a symbolic link.
func (t *Tree) Link(name, target string) {
	t.put(name, node{mode: typeLink | 0o777, data: []byte(target)})
}

// Console adds the device the kernel gives to the first process as its
// standard streams, before anything is mounted on /dev.
func (t *Tree) Console(name string) {
	t.put(name, node{mode: typeDevice | 0o600, device: 1})
}

// File adds a host file as it is.
func (t *Tree) File(name, host string) error {
	info, err := os.Stat(host)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", host)
	}
	t.put(name, node{mode: typeFile | uint32(info.Mode().Perm()), host: host})
	return nil
}

// Folder adds a host folder with everything in it, links as links. A folder
// that does not exist is not an error: it adds nothing.
func (t *Tree) Folder(name, host string) error {
	return filepath.WalkDir(host, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && p == host {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(host, p)
		if err != nil {
			return err
		}
		to := path.Join(name, filepath.ToSlash(rel))
		switch {
		case d.IsDir():
			t.Dir(to, 0o755)
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			t.Link(to, target)
			return err
		}
		return t.File(to, p)
	})
}

// names lists the entries so that every folder comes before what is in it.
func (t *Tree) names() []string {
	names := make([]string, 0, len(t.nodes))
	for name := range t.nodes {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
