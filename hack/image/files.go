package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// Files is an image's content in the making. Missing parent folders appear by
// themselves.
type Files struct {
	entries map[string]entry
}

// entry is a host file, a content, a link or a folder.
type entry struct {
	kind    byte
	mode    int64
	host    string
	content []byte
	target  string
}

// NewFiles returns an empty image's content.
func NewFiles() *Files { return &Files{entries: map[string]entry{}} }

// File adds a host file. What may be executed on the host may be in the image;
// all else that its mode says is the host's affair (its umask, for one).
func (f *Files) File(to, host string) error {
	info, err := os.Stat(host)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", host)
	}
	mode := int64(0o644)
	if info.Mode().Perm()&0o111 != 0 {
		mode = 0o755
	}
	f.put(to, entry{kind: tar.TypeReg, mode: mode, host: host})
	return nil
}

// Content adds a file with that content.
func (f *Files) Content(to string, content []byte, mode int64) {
	f.put(to, entry{kind: tar.TypeReg, mode: mode, content: content})
}

// Link adds a symbolic link.
func (f *Files) Link(to, target string) {
	f.put(to, entry{kind: tar.TypeSymlink, mode: 0o777, target: target})
}

// Dir adds a folder.
func (f *Files) Dir(to string, mode int64) { f.put(to, entry{kind: tar.TypeDir, mode: mode}) }

func (f *Files) put(to string, e entry) {
	to = strings.TrimPrefix(path.Clean("/"+to), "/")
	if parent := path.Dir(to); parent != "." {
		if _, ok := f.entries[parent]; !ok {
			f.put(parent, entry{kind: tar.TypeDir, mode: 0o755})
		}
	}
	f.entries[to] = e
}

// writeTo writes a layer: sorted, so that folders come before what is in them,
// and without times and owners, so that equal files give equal layers.
func (f *Files) writeTo(w io.Writer) error {
	t := tar.NewWriter(w)
	for _, to := range slices.Sorted(maps.Keys(f.entries)) {
		if err := f.entries[to].writeTo(t, to); err != nil {
			return fmt.Errorf("%s: %w", to, err)
		}
	}
	return t.Close()
}

func (e entry) writeTo(t *tar.Writer, to string) error {
	h := &tar.Header{Name: to, Typeflag: e.kind, Mode: e.mode, Linkname: e.target, Format: tar.FormatPAX}
	var content io.Reader = bytes.NewReader(e.content)
	switch {
	case e.kind == tar.TypeDir:
		h.Name += "/"
	case e.host != "":
		file, err := os.Open(e.host)
		if err != nil {
			return err
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return err
		}
		h.Size, content = info.Size(), file
	default:
		h.Size = int64(len(e.content))
	}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err := io.CopyN(t, content, h.Size)
	return err
}
