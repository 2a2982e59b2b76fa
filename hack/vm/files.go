package vm

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
)

// receiver unpacks the tar stream of the guest's files into a folder.
type receiver struct {
	pipe *io.PipeWriter
	// complete is closed at the end of the archive.
	complete chan struct{}
	err      error
}

// newReceiver keeps nothing if there is no folder.
func newReceiver(dir string) *receiver {
	r, w := io.Pipe()
	v := &receiver{pipe: w, complete: make(chan struct{})}
	go func() {
		v.err = unpack(r, dir)
		close(v.complete)
		_, _ = io.Copy(io.Discard, r) // the archive's padding, or what follows an error
	}()
	return v
}

func (v *receiver) Write(p []byte) (int, error) { return v.pipe.Write(p) }

// Close waits for the last file and says whether all arrived.
func (v *receiver) Close() error {
	if err := v.pipe.Close(); err != nil {
		return err
	}
	<-v.complete
	if v.err != nil {
		return fmt.Errorf("files from the guest: %w", v.err)
	}
	return nil
}

func unpack(r io.Reader, dir string) error {
	var root *os.Root // a guest cannot write anywhere else
	if dir != "" {
		var err error
		if root, err = os.OpenRoot(dir); err != nil {
			return err
		}
		defer func() { _ = root.Close() }()
	}
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if root == nil {
			continue
		}
		if err := unpackOne(root, h, t); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
}

func unpackOne(root *os.Root, h *tar.Header, content io.Reader) error {
	name := path.Clean(h.Name)
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeReg:
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		f, err := root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, h.FileInfo().Mode().Perm())
		if err != nil {
			return err
		}
		if _, err := io.Copy(f, content); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	}
	return nil // links and devices stay in the guest
}
