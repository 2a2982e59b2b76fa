package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
)

// write puts a file into a new ledger directory.
func write(t *testing.T, name, content string) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, path
}

func TestFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "ledger")
	l := open(t, dir)
	observe(t, l, volume, map[string]Sample{"p1": sample(0, 1)})
	observe(t, l, controllers, map[string]Sample{"p1": sample(0, 2)})
	for path, want := range map[string]os.FileMode{
		dir:                                   os.ModeDir | 0o700,
		filepath.Join(dir, volume.fileName()): 0o600,
		filepath.Join(dir, controllers.fileName()): 0o600,
	} {
		if fi, err := os.Stat(path); err != nil || fi.Mode() != want {
			t.Errorf("%s: %v, %v, want mode %v", path, fi, err, want)
		}
	}
}

func TestOpenClearsTemporaryFiles(t *testing.T) {
	dir, path := write(t, ".braid-tmp-123", "half a bo")
	open(t, dir)
	if _, err := os.Stat(path); err == nil {
		t.Error("temporary file is still there")
	}
}

// pages returns a book with everything in it, as it is on disk.
func pages(t *testing.T) string {
	t.Helper()
	l := open(t, t.TempDir())
	observe(t, l, volume, map[string]Sample{"p1": sample(0, 9)})
	observe(t, l, volume, map[string]Sample{"p1": sample(1, 11)})
	observe(t, l, controllers, map[string]Sample{"p1": sample(1, 3)})
	req := ResetRequest{By: "jane", Reason: "test", At: at(2)}
	id, err := l.BeginReset(muted(t), volume, req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.CompleteReset(muted(t), volume, id, map[string]Sample{"p1": sample(3, 0)}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.BeginReset(muted(t), volume, req); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(l.dir, volume.fileName()))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A rename cannot tear a file, but a disk can: every prefix is set aside and
// the ledger works on.
func TestTornBook(t *testing.T) {
	whole := pages(t)
	dir, path := write(t, volume.fileName(), whole)
	if got := open(t, dir).Records(volume); len(got) != 1 {
		t.Fatalf("the whole book has records %v, want one", got)
	}
	for n := range len(whole) {
		if err := os.WriteFile(path, []byte(whole[:n]), 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, dir)
		if got := l.Records(volume); got != nil {
			t.Errorf("first %d bytes have records %v, want none", n, got)
		}
		aside := path + ".corrupt-1"
		if got, err := os.ReadFile(aside); err != nil || string(got) != whole[:n] {
			t.Fatalf("first %d bytes are not set aside: %v", n, err)
		}
		if err := os.Remove(aside); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCorruptBook(t *testing.T) {
	whole := pages(t)
	for name, content := range map[string]string{
		"binary":            "\x00\x01",
		"another type":      "[]",
		"no version":        strings.Replace(whole, `"version": 1,`, "", 1),
		"version 0":         strings.Replace(whole, `"version": 1`, `"version": 0`, 1),
		"two books":         whole + whole,
		"another volume":    strings.Replace(whole, "example:s1", "example:s2", 1),
		"bad namespace":     strings.Replace(whole, "uuid:0c7f", "uuid:", 1),
		"negative counter":  strings.Replace(whole, `"raw": 0`, `"raw": -1`, 1),
		"too large":         strings.Replace(whole, `"raw": 0`, `"raw": 18446744073709551616`, 1),
		"witness far ahead": strings.Replace(whole, `"exact": true`, `"exact": true, "witness": {"epoch": "w", "lead": {"failovers": 9000000000000000000}}`, 1),
		"since over life":   strings.Replace(whole, `"sinceReset": 0`, `"sinceReset": 12`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			if content == whole {
				t.Fatal("nothing was spoiled")
			}
			dir, path := write(t, volume.fileName(), content)
			l := open(t, dir)
			observe(t, l, volume, map[string]Sample{"p1": sample(5, 2)})
			if got := l.Records(volume)["p1"].Tallies[nvme.Failovers].Lifetime; got != 2 {
				t.Errorf("lifetime = %d, want an empty book and 2", got)
			}
			if got, err := os.ReadFile(path + ".corrupt-1"); err != nil || string(got) != content {
				t.Errorf("not set aside: %v", err)
			}
		})
	}
}

// A book of the future is neither read nor touched.
func TestNewerVersion(t *testing.T) {
	const future = `{"version": 2, "pages": "scroll"}`
	dir, path := write(t, volume.fileName(), future)
	l := open(t, dir)
	if err := l.Observe(muted(t), volume, map[string]Sample{"p1": sample(0, 1)}); !errors.Is(err, ErrVersion) {
		t.Errorf("Observe: %v, want %v", err, ErrVersion)
	}
	if _, err := l.BeginReset(muted(t), volume, ResetRequest{By: "jane", Reason: "test", At: noon}); !errors.Is(err, ErrVersion) {
		t.Errorf("BeginReset: %v, want %v", err, ErrVersion)
	}
	observe(t, l, controllers, map[string]Sample{"p1": sample(0, 1)}) // others work
	if err := l.Expire(muted(t), at(1<<30), time.Hour, func(Key) bool { return false }); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != future {
		t.Errorf("book of the future = %q, %v, want it untouched", got, err)
	}
}

func TestBadKey(t *testing.T) {
	l := open(t, t.TempDir())
	for _, key := range []Key{
		{},
		{Subsystem: "nqn\xff"},
		{Subsystem: "nqn.2026-11.io.example:s1", Namespace: nvme.NamespaceID{Type: "serial", Value: "1"}},
		{Subsystem: "nqn.2026-11.io.example:s1", Namespace: nvme.NamespaceID{Type: nvme.EUI64, Value: "00A0B0C0D0E0F001"}},
	} {
		if err := l.Observe(muted(t), key, map[string]Sample{"p1": sample(0, 1)}); err == nil {
			t.Errorf("key %+v was taken", key)
		}
	}
}

func TestExpire(t *testing.T) {
	const keep = 30 * 24 * time.Hour
	old, used := volume, volume
	old.Subsystem, used.Subsystem = "nqn.2026-11.io.example:old", "nqn.2026-11.io.example:used"
	l := open(t, t.TempDir())
	observe(t, l, old, map[string]Sample{"p1": {At: noon, Down: true}})
	observe(t, l, used, map[string]Sample{"p1": sample(0, 1)})
	observe(t, l, volume, map[string]Sample{"p1": sample(1, 1)})
	inUse := func(k Key) bool { return k == used }
	if err := l.Expire(muted(t), noon.Add(keep), keep, inUse); err != nil {
		t.Fatal(err)
	}
	for _, l := range []*Ledger{l, open(t, l.dir)} {
		got := map[Key]bool{}
		for _, k := range []Key{old, used, volume} {
			got[k] = l.Records(k) != nil
		}
		if diff := cmp.Diff(map[Key]bool{old: false, used: true, volume: true}, got); diff != "" {
			t.Errorf("books (-want +got):\n%s", diff)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir, path := write(t, "file", "")
	if _, err := Open(muted(t), path); err == nil {
		t.Error("a file was opened as a ledger")
	}
	// What looks like a book but cannot be read at all is set aside, too.
	if err := os.MkdirAll(filepath.Join(dir, volume.fileName(), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	observe(t, open(t, dir), volume, map[string]Sample{"p1": sample(0, 1)})
}
