package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// TestCrashLedger breaks the ledger's files in every way a crash or a disk can.
// braid-node must start, say what it did about it, and count on.
func TestCrashLedger(t *testing.T) {
	t.Run("torn at every byte", ledgerTorn)
	t.Run("corrupt", ledgerCorrupt)
	t.Run("full disk", ledgerFullDisk)
}

// ledgerTorn cuts a book that braid-node wrote, and the temporary file beside it
// by which it would be replaced, after every byte.
func ledgerTorn(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "ext4")
	s.attach(v)
	s.failOver(v)
	s.detach(v)
	s.ledgerLeft()
	must(t, s.node.Stop())

	book, whole := s.largestBook()
	dir := t.TempDir()
	torn, temp := filepath.Join(dir, filepath.Base(book)), filepath.Join(dir, ".braid-tmp-1")
	for n := range whole {
		must(t, os.WriteFile(torn, whole[:n], 0o600))
		must(t, os.WriteFile(temp, whole[:n], 0o600))
		if _, err := ledger.Open(s.ctx, dir); err != nil {
			t.Fatalf("after %d of %d bytes the ledger does not open: %v", n, len(whole), err)
		}
		aside, err := os.ReadFile(torn + ".corrupt-1")
		if err != nil || !bytes.Equal(aside, whole[:n]) {
			t.Fatalf("after %d of %d bytes: %v, %d bytes are set aside", n, len(whole), err, len(aside))
		}
		must(t, os.Remove(torn+".corrupt-1"))
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Fatalf("after %d of %d bytes: %v, %v are left", n, len(whole), err, left)
		}

		// Torn while it was written beside the book: the book is as it was.
		must(t, os.WriteFile(torn, whole, 0o600))
		must(t, os.WriteFile(temp, whole[:n], 0o600))
		if _, err := ledger.Open(s.ctx, dir); err != nil {
			t.Fatalf("with %d of %d bytes beside the book the ledger does not open: %v", n, len(whole), err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != filepath.Base(torn) {
			t.Fatalf("with %d of %d bytes beside the book: %v, %v are left", n, len(whole), err, left)
		}
	}
	t.Logf("torn after each of %d bytes", len(whole))
}

// largestBook returns the ledger's largest file: a volume's, with all there is.
// Where the kernel does not count, it has the losses of paths.
func (s *scene) largestBook() (path string, content []byte) {
	s.t.Helper()
	books, err := check.Ledger(s.stateDir)
	must(s.t, err)
	for _, b := range books {
		have, err := os.ReadFile(b)
		must(s.t, err)
		if len(have) > len(content) {
			path, content = b, have
		}
	}
	return path, content
}

// ledgerCorrupt starts braid-node over books that are broken.
func ledgerCorrupt(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "ext4")
	s.attach(v)
	count := s.failOver(v)
	// Where nothing is counted, no new book follows the one that was set aside.
	book, have := s.largestBook()
	for i, broken := range []struct {
		name string
		of   func(book []byte) []byte
	}{
		{"empty", func([]byte) []byte { return nil }},
		{"cut in the middle", func(b []byte) []byte { return b[:len(b)/2] }},
		{"zeros, as after a power cut", func(b []byte) []byte { return make([]byte, len(b)) }},
		{"another file's content", func([]byte) []byte { return []byte(`{"hostnqn": "nqn.2014-08.org.example:one"}`) }},
	} {
		must(t, s.node.Kill())
		must(t, os.WriteFile(book, broken.of(have), 0o600))
		must(t, s.node.Start(s.ctx))
		s.waitUsable(v, 2)
		aside := fmt.Sprintf("%s.corrupt-%d", book, i+1)
		if _, err := os.Lstat(aside); err != nil {
			t.Errorf("%s: not set aside: %v", broken.name, err)
		}
		if said := s.logLine(aside); !strings.Contains(said, "corrupt") || !strings.Contains(said, "anew") {
			t.Errorf("%s: braid-node says %q, want what it did with the file, and why", broken.name, said)
		} else {
			t.Logf("%s: %s", broken.name, said)
		}
		// What was known is lost; the kernel still knows what it counted.
		if got := s.failovers(s.settled(v), 0); got != count {
			t.Errorf("%s: %d failovers afterwards, the kernel has %d", broken.name, got, count)
		}
	}
	s.detach(v)
	s.ledgerLeft()
}

// logLine is the last line of braid-node's log with those words.
func (s *scene) logLine(words string) (line string) {
	s.t.Helper()
	b, err := os.ReadFile(s.node.LogFile())
	must(s.t, err)
	for l := range strings.Lines(string(b)) {
		if strings.Contains(l, words) {
			line = strings.TrimSpace(l)
		}
	}
	return line
}

// ledgerFullDisk leaves no room in the state directory. Volumes on the node go
// on and can leave it, and nothing is forgotten once there is room again; a new
// volume is refused, with the reason.
func ledgerFullDisk(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: slow}, rig.Namespace{SizeMB: 64})
	must(t, s.node.Stop())
	must(t, unix.Mount("tmpfs", s.stateDir, "tmpfs", 0, "size=256k"))
	cleanup(t, func() error { return errors.Join(s.node.Kill(), unix.Unmount(s.stateDir, 0)) })
	must(t, s.node.Start(s.ctx))
	v, leaves, refused := s.volume(0, "ext4"), s.volume(1, ""), s.volume(1, "")
	s.attach(v)
	s.attach(leaves)
	ballast := s.fillUp()

	w := s.write(v)
	s.cutBusy(v)
	s.waitFinding(v, "DEGRADED", "PathRedundancyLost")
	s.goesOn(w)
	must(t, s.node.Restart(s.ctx))
	s.waitFinding(v, "DEGRADED", "PathRedundancyLost")
	if said := s.logLine("no space left on device"); !strings.Contains(said, "edger") {
		t.Errorf("braid-node says %q of the full disk, want that the ledger is not up to date", said)
	}
	s.detach(leaves)
	if report, err := s.node.Report(s.ctx); err != nil || len(report.Volumes) != 1 {
		t.Errorf("after a volume left: %v, %+v; want the other one", err, report.Volumes)
	}
	wantCode(t, s.node.Stage(s.ctx, refused), codes.Internal, "no space left on device")
	must(t, s.node.Unstage(s.ctx, refused))

	must(t, os.Remove(ballast))
	must(t, s.rig.Repair(0))
	s.waitUsable(v, 2)
	s.unharmed(w)
	must(t, s.node.Restart(s.ctx))
	view := s.settled(v)
	p, err := view.Path(s.addr(0))
	must(t, err)
	got, kernel := p.Counts[nvme.Failovers].Lifetime, view.KernelFailovers(s.addr(0))
	t.Logf("failovers while the disk was full: %d says braid-node, %d says the kernel", got, kernel)
	if got != kernel || kernel == 0 && s.kernel.Counters {
		t.Errorf("%d failovers, the kernel has %d; want them equal, and some", got, kernel)
	}
	s.detach(v)
	s.ledgerLeft()
}

// fillUp fills the state directory to the last byte.
func (s *scene) fillUp() (file string) {
	s.t.Helper()
	file = filepath.Join(s.stateDir, "ballast")
	f, err := os.Create(file)
	must(s.t, err)
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); errors.Is(err, unix.ENOSPC) {
			return file
		} else if err != nil {
			s.t.Fatal(err)
		}
	}
}
