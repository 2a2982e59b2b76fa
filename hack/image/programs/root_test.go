package programs

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/braid-csi/braid/hack/cluster/cache"
	"github.com/braid-csi/braid/hack/image"
	"github.com/braid-csi/braid/hack/kernel"
)

// unpacked makes an image of the programs, and unpacks it as a runtime would.
// The packages come from the cache, or from the mirror.
func unpacked(t *testing.T, arch string) string {
	t.Helper()
	dir, err := kernel.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	files, err := Files(t.Context(), cache.Store{Dir: dir, Progress: t.Logf}, arch, false)
	if err != nil {
		t.Fatal(err)
	}
	img, err := image.Build(image.Spec{Name: "localhost/programs:test", Platform: "linux/" + arch, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	content := mutate.Extract(img)
	defer func() { _ = content.Close() }()
	root := t.TempDir()
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return root
		}
		if err == nil {
			err = write(root, h, r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func write(root string, h *tar.Header, content io.Reader) error {
	to := filepath.Join(root, h.Name)
	switch h.Typeflag {
	case tar.TypeDir:
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		return os.Chmod(to, h.FileInfo().Mode())
	case tar.TypeSymlink:
		return os.Symlink(h.Linkname, to)
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, h.FileInfo().Mode())
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, content); err != nil {
		return err
	}
	return f.Close()
}
