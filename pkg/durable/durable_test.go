package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	return got
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWriteFileReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "book")
	for _, want := range []string{"first", "second, longer", ""} {
		if err := WriteFile(path, []byte(want), 0o640); err != nil {
			t.Fatal(err)
		}
		if got := content(t, path); got != want {
			t.Errorf("content = %q, want %q", got, want)
		}
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := fi.Mode(); got != 0o640 {
		t.Errorf("mode = %v, want -rw-r-----", got)
	}
	if diff := cmp.Diff([]string{"book"}, names(t, filepath.Dir(path))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// Each step fails in turn: nothing is left behind, and the old content stays
// unless the rename was already done.
func TestWriteFileFailure(t *testing.T) {
	tests := map[string]struct {
		fail func(*steps)
		want string
	}{
		"disk full": {
			fail: func(s *steps) {
				s.write = func(f *os.File, b []byte) (int, error) {
					n, _ := f.Write(b[:len(b)/2])
					return n, syscall.ENOSPC
				}
			},
			want: "old",
		},
		"sync": {
			fail: func(s *steps) { s.sync = func(*os.File) error { return syscall.EIO } },
			want: "old",
		},
		"rename": {
			fail: func(s *steps) { s.rename = func(string, string) error { return syscall.EROFS } },
			want: "old",
		},
		"sync of the directory": {
			fail: func(s *steps) { s.syncDir = func(string) error { return syscall.EIO } },
			want: "new",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "book")
			if err := WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			s := onDisk
			tt.fail(&s)
			var errno syscall.Errno
			if err := s.writeFile(path, []byte("new"), 0o600); !errors.As(err, &errno) {
				t.Errorf("error = %v, want one that wraps the errno", err)
			}
			if got := content(t, path); got != tt.want {
				t.Errorf("content = %q, want %q", got, tt.want)
			}
			if diff := cmp.Diff([]string{"book"}, names(t, filepath.Dir(path))); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWriteFileUnwritable(t *testing.T) {
	dir := t.TempDir()
	if err := WriteFile(filepath.Join(dir, "absent", "book"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent directory: error = %v, want %v", err, fs.ErrNotExist)
	}
	if err := os.MkdirAll(filepath.Join(dir, "book", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "book"), []byte("x"), 0o600); err == nil {
		t.Error("a directory was overwritten")
	}
	if diff := cmp.Diff([]string{"book"}, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if os.Geteuid() == 0 {
		t.Skip("root may write to a read-only directory")
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "other"), nil, 0o600); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("read-only directory: error = %v, want %v", err, fs.ErrPermission)
	}
}

func TestRemoveFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "book")
	if err := WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is gone already
		if err := RemoveFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, filepath.Dir(path)); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
	if err := RemoveFile(filepath.Join(path, "absent", "book")); err != nil {
		t.Errorf("absent directory: %v", err)
	}
}

func TestSetAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "book")
	for _, want := range []string{"book.corrupt-1", "book.corrupt-2"} {
		if err := WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		aside, err := SetAside(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := filepath.Base(aside); got != want {
			t.Errorf("set aside as %q, want %q", got, want)
		}
		if got := content(t, aside); got != want {
			t.Errorf("content = %q, want %q", got, want)
		}
	}
	if _, err := SetAside(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: error = %v, want %v", err, fs.ErrNotExist)
	}
}
