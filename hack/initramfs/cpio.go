package initramfs

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// WriteTo writes the tree as a cpio archive in the newc format: a header of
// hexadecimal numbers, the name, the content, each padded to four bytes
// (Documentation/driver-api/early-userspace/buffer-format.rst).
func (t *Tree) WriteTo(w io.Writer) (int64, error) {
	a := &archive{w: bufio.NewWriterSize(w, 1<<20)}
	for _, name := range t.names() {
		if err := a.add(strings.TrimPrefix(name, "/"), t.nodes[name]); err != nil {
			return a.n, fmt.Errorf("initramfs %s: %w", name, err)
		}
	}
	if err := a.entry("TRAILER!!!", node{}, 0); err != nil {
		return a.n, fmt.Errorf("initramfs: %w", err)
	}
	return a.n, a.w.Flush()
}

type archive struct {
	w     *bufio.Writer
	n     int64
	inode uint32
}

func (a *archive) add(name string, n node) error {
	if n.host == "" {
		if err := a.entry(name, n, int64(len(n.data))); err != nil {
			return err
		}
		_, err := a.Write(n.data)
		return a.padded(err)
	}
	f, err := os.Open(n.host)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := a.entry(name, n, info.Size()); err != nil {
		return err
	}
	// The header has promised this size.
	_, err = io.CopyN(a, f, info.Size())
	return a.padded(err)
}

// entry writes a header and the name.
func (a *archive) entry(name string, n node, size int64) error {
	if size > 0xffffffff {
		return fmt.Errorf("%d bytes do not fit in a cpio archive", size)
	}
	a.inode++
	links := 1
	if n.mode&typeDir != 0 && n.mode&typeFile != typeFile {
		links = 2
	}
	var major int
	if n.device != 0 {
		major = 5
	}
	_, err := fmt.Fprintf(a, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.inode, n.mode, 0, 0, links, 0, size, 0, 0, major, n.device, len(name)+1, 0, name)
	return a.padded(err)
}

func (a *archive) Write(p []byte) (int, error) {
	n, err := a.w.Write(p)
	a.n += int64(n)
	return n, err
}

func (a *archive) padded(err error) error {
	if err != nil {
		return err
	}
	if rest := a.n % 4; rest != 0 {
		_, err = a.Write(make([]byte, 4-rest))
	}
	return err
}
