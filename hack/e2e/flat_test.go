//go:build machines

package e2e

import (
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/configfs"
	"github.com/braid-csi/braid/hack/guest"
	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/pkg/multipath/native/bpf"
	"github.com/braid-csi/braid/pkg/nvme"
)

// TestFlatAttribute runs on a kernel with the attribute of the patch before
// Linux 7.2: in the path's own directory, and not counted atomically. It has at
// most what BPF has, and braid-node goes by BPF.
func TestFlatAttribute(t *testing.T) {
	must(t, configfs.Modprobe("t10-pi")) // nvme-core needs it
	loadFlat(t)
	s := newTargetScene(t, nil)
	n, err := node.Start(s.ctx, node.Config{StateDir: "/var/lib/braid-flat", ClearAfter: clearAfter, BPF: true})
	must(t, err)
	cleanup(t, n.Close)
	v := s.volume()
	before := s.failOverFlat(n, v, []uint64{0, 0})
	// A kprobe does not hold the module: the program is gone with it, and must
	// come back with it.
	for _, name := range []string{"nvme_tcp", "nvme_fabrics", "nvme_core"} {
		must(t, unix.DeleteModule(name, unix.O_NONBLOCK))
	}
	loadFlat(t)
	s.failOverFlat(n, v, before)
}

// failOverFlat stages the volume, has reads fail over, and returns how many did
// since it was first staged.
func (s *targetScene) failOverFlat(n *node.Node, v node.Volume, before []uint64) []uint64 {
	s.t.Helper()
	s.stage(n, v)
	var witness *bpf.Failovers
	must(s.t, guest.Alone(func() (err error) {
		witness, err = bpf.AttachBy(bpf.Kprobe)
		return err
	}))
	reads, err := load.StartReads(s.head.Device(), 64)
	must(s.t, err)
	now := make([]uint64, 2)
	failOver := func() {
		for path := range now {
			now[path] += s.failOver(path)
		}
	}
	for range 10 {
		failOver()
	}
	s.flat(n, v, witness, before, now)
	for _, p := range s.paths { // as any tool on a node may
		must(s.t, os.WriteFile(flatFile(p), []byte("0"), 0))
	}
	failOver()
	s.flat(n, v, witness, before, now)
	must(s.t, reads.Stop())
	must(s.t, guest.Alone(witness.Close))
	must(s.t, n.Unstage(s.ctx, v))
	return []uint64{before[0] + now[0], before[1] + now[1]}
}

func loadFlat(t *testing.T) {
	t.Helper()
	for _, name := range []string{"nvme-core", "nvme-fabrics", "nvme-tcp"} {
		loadFile(t, "/flat/"+name+".ko")
	}
}

// loadFile loads a module that machines/flat_test.go has built.
func loadFile(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	must(t, unix.FinitModule(int(f.Fd()), "", 0))
}

// flat wants BPF and braid-node to have counted exactly, and the attribute no
// more than that. Only braid-node knows what was before.
func (s *targetScene) flat(n *node.Node, v node.Volume, witness *bpf.Failovers, before, want []uint64) {
	s.t.Helper()
	s.until("braid-node to report the failovers", func() (bool, error) {
		report, err := n.Paths(s.ctx, v)
		if err != nil {
			return false, err
		}
		agree, said, err := check.Failovers(report, nvme.SourceBoth, []netip.AddrPort{s.addr(0), s.addr(1)}, []uint64{before[0] + want[0], before[1] + want[1]})
		if agree {
			s.t.Logf("braid-node reports %s; exact %t, %t", said, report.Paths[0].Exact, report.Paths[1].Exact)
		}
		return agree, err
	})
	got, _, err := onPaths(witness, s.paths)
	must(s.t, err)
	for i, p := range s.paths {
		b, err := os.ReadFile(flatFile(p))
		must(s.t, err)
		attribute, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
		must(s.t, err)
		if got[i] != want[i] || attribute > got[i] {
			s.t.Errorf("%s: %d failovers, BPF counted %d, the attribute %d", p, want[i], got[i], attribute)
		}
		s.t.Logf("%s: %d failovers, BPF counted %d, the attribute %d", p, want[i], got[i], attribute)
	}
}

func flatFile(p nvmehost.Path) string { return filepath.Join(p.Dir(), nvmehost.Failovers) }
