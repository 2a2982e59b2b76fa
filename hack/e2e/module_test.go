//go:build machines

package e2e

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/pkg/nvme"
)

// TestModuleLoadedLate has a braid-node that runs before nvme_core is loaded,
// on a kernel that has it as a module (machines/module_test.go). The target is
// ours, for the kernel's needs the module too.
//
//	no module -> loaded and used behind braid-node's back -> a volume -> unloaded
//	no module -> loaded by braid-node for a volume -> unloaded
func TestModuleLoadedLate(t *testing.T) {
	if loaded(t) {
		t.Fatal("nvme_core is there before anybody has loaded it: this kernel cannot show what happens then")
	}
	n, err := node.Start(t.Context(), node.Config{StateDir: "/var/lib/braid-late", ClearAfter: clearAfter, BPF: true})
	must(t, err)
	cleanup(t, n.Close)
	t.Run("gap", func(t *testing.T) { countsAfterGap(t, n) })
	unload(t, n)
	must(t, n.Start(t.Context()))
	t.Run("staged", func(t *testing.T) { countsAll(t, n) })
	unload(t, n)
}

// countsAfterGap loads the module while braid-node stands still, and has
// requests fail over before it looks. What it cannot know it does not make up:
// its count begins later, and is exact from there.
func countsAfterGap(t *testing.T, n *node.Node) {
	s := newTargetScene(t, nil)
	must(t, syscall.Kill(n.PID(), syscall.SIGSTOP))
	s.connect(nvmehost.ConnectOptions{})
	w := newWitnesses(t)
	reads, err := load.StartReads(s.head.Device(), 16)
	must(t, err)
	missed := s.failOver(0)
	s.counted(w, []uint64{missed, 0})
	back := time.Now()
	must(t, syscall.Kill(n.PID(), syscall.SIGCONT))

	v := s.volume()
	must(t, n.Stage(s.ctx, v))
	var known uint64
	if w.kernel.Counters { // the attribute was there all the time
		known = missed
	}
	s.reports(n, v, known, 0)
	later := []uint64{s.failOver(0), s.failOver(1)}
	s.reports(n, v, known+later[0], later[1])
	must(t, reads.Stop())
	s.counted(w, []uint64{missed + later[0], later[1]})

	report, err := n.Paths(s.ctx, v)
	must(t, err)
	for _, p := range report.Paths {
		if !p.Exact || p.CountedSince.Before(back) {
			t.Errorf("%s: exact %t since %s; braid-node could begin at %s", p.Address, p.Exact, p.CountedSince, back)
		}
		t.Logf("%s: %d failovers from %s, exact %t since %s; %d before that", p.Address,
			p.Counts[nvme.Failovers].Lifetime, p.CounterSource, p.Exact, p.CountedSince.Sub(back), missed)
	}
	must(t, n.Unstage(s.ctx, v))
}

// countsAll has braid-node load the module and connect: from the first request
// on everything is counted.
func countsAll(t *testing.T, n *node.Node) {
	s := newTargetScene(t, nil)
	v := s.volume()
	s.stage(n, v)
	reads, err := load.StartReads(s.head.Device(), 16)
	must(t, err)
	want := []uint64{s.failOver(0), s.failOver(1)}
	s.reports(n, v, want...)
	must(t, reads.Stop())
	must(t, n.Unstage(s.ctx, v))
}

// reports waits until braid-node says the same of both paths.
func (s *targetScene) reports(n *node.Node, v node.Volume, want ...uint64) {
	s.t.Helper()
	kernel, err := nvmehost.Kernel()
	must(s.t, err)
	s.until("braid-node to report the failovers", func() (bool, error) {
		report, err := n.Paths(s.ctx, v)
		if err != nil {
			return false, err
		}
		agree, said, err := check.Failovers(report, sourceOn(kernel), []netip.AddrPort{s.addr(0), s.addr(1)}, want)
		if agree {
			s.t.Logf("braid-node reports %s", said)
		}
		return agree, err
	})
}

// unload ends braid-node and unloads what it had a program in.
func unload(t *testing.T, n *node.Node) {
	t.Helper()
	modprobe := func(modules ...string) error {
		out, err := exec.Command("modprobe", append([]string{"-r"}, modules...)...).CombinedOutput()
		if err != nil {
			return errors.New(strings.TrimSpace(string(out)))
		}
		return nil
	}
	must(t, modprobe("nvme-tcp"))
	t.Logf("while braid-node counts, modprobe -r nvme-core says: %v", modprobe("nvme-core"))
	if !loaded(t) {
		t.Error("nvme_core was unloaded under a program")
	}
	must(t, n.Stop())
	must(t, modprobe("nvme-fabrics", "nvme-core"))
	if loaded(t) {
		t.Error("nvme_core is loaded still")
	}
}

func loaded(t *testing.T) bool {
	t.Helper()
	_, err := os.Stat("/sys/module/nvme_core")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}
