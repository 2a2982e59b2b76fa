package vm

import (
	"archive/tar"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestReceiverStaysInItsFolder has a guest name a file elsewhere.
func TestReceiverStaysInItsFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "artifacts")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	send := func(name string) error {
		r := newReceiver(dir)
		w := tar.NewWriter(r)
		header := w.WriteHeader(&tar.Header{Name: name, Size: 2, Mode: 0o644, Typeflag: tar.TypeReg})
		_, err := w.Write([]byte("hi"))
		return errors.Join(header, err, w.Close(), r.Close())
	}
	if err := send("a/b"); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a/b")); err != nil || string(b) != "hi" {
		t.Errorf("a/b = %q, %v", b, err)
	}
	if err := send("../outside"); err == nil {
		t.Error("a file outside the folder was accepted")
	}
	if _, err := os.Lstat(filepath.Join(dir, "../outside")); err == nil {
		t.Error("a file outside the folder was written")
	}
}
