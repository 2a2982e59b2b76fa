package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func spec(t *testing.T, changed time.Time, mode os.FileMode) Spec {
	t.Helper()
	host := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(host, []byte("#!/bin/sh\n"), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(host, changed, changed); err != nil {
		t.Fatal(err)
	}
	f := NewFiles()
	if err := f.File("/usr/bin/tool", host); err != nil {
		t.Fatal(err)
	}
	f.Link("/bin", "usr/bin")
	f.Dir("/tmp", 0o1777)
	f.Content("/etc/name", []byte("x"), 0o600)
	base := NewFiles()
	base.Content("/usr/lib/base", []byte("y"), 0o644)
	return Spec{Name: "localhost/tool:1", Entrypoint: []string{"/bin/tool"}, Base: base, Files: f}
}

// TestReadBack lets the library read what it wrote, as a runtime would.
func TestReadBack(t *testing.T) {
	var written bytes.Buffer
	if err := Write(&written, spec(t, time.Now(), 0o755)); err != nil {
		t.Fatal(err)
	}
	img, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(written.Bytes())), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Config.Entrypoint; !slices.Equal(got, []string{"/bin/tool"}) {
		t.Errorf("entrypoint %q", got)
	}
	layer := mutate.Extract(img)
	defer func() { _ = layer.Close() }()
	var got []string
	for r := tar.NewReader(layer); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, h.FileInfo().Mode().String()+" "+h.Name)
	}
	want := []string{
		"Lrwxrwxrwx bin", "drwxr-xr-x etc", "-rw------- etc/name", "dtrwxrwxrwx tmp",
		"drwxr-xr-x usr", "drwxr-xr-x usr/bin", "-rwxr-xr-x usr/bin/tool", "drwxr-xr-x usr/lib", "-rw-r--r-- usr/lib/base",
	}
	slices.SortFunc(got, func(a, b string) int { return strings.Compare(a[strings.Index(a, " "):], b[strings.Index(b, " "):]) })
	if !slices.Equal(got, want) {
		t.Errorf("files\n%q, want\n%q", got, want)
	}
}

// TestReproducible builds from files of another day, written under another
// umask.
func TestReproducible(t *testing.T) {
	var first, second bytes.Buffer
	if err := Write(&first, spec(t, time.Now(), 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := Write(&second, spec(t, time.Unix(1e9, 0), 0o700)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same files gave two images")
	}
}
