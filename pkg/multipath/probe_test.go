package multipath

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
)

// TestProbe: paths that carry no I/O are asked, and what they answer is shown
// until their I/O says more.
func TestProbe(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		node.staged(ctx, t, l)
		first := func() *Probe {
			for _, p := range l.Snapshot().PathSet("a").Paths {
				if p.Address == way1 {
					return p.Probe
				}
			}
			return nil
		}
		rounds := func(n int) {
			time.Sleep(time.Duration(n)*probeInterval + probeWait + time.Second) //nolint:forbidigo // the bubble's time
			synctest.Wait()
		}
		answers := func(answer func(context.Context) error) {
			node.mu.Lock()
			defer node.mu.Unlock()
			node.probe[way1] = answer
		}
		rounds(2)
		if p := first(); p == nil || p.Problem != "" {
			t.Errorf("a path that answers: %+v", p)
		}
		answers(hangs)
		rounds(1)
		if p := first(); p == nil || p.Problem != "no answer within 3s" {
			t.Errorf("a path that does not: %+v", p)
		}
		answers(func(context.Context) error { return errors.New("identify: NVMe status 0x6") })
		rounds(1)
		if p := first(); p == nil || p.Problem != "identify: NVMe status 0x6" {
			t.Errorf("a path that fails: %+v", p)
		}
		answers(func(context.Context) error { return syscall.EAGAIN })
		rounds(1)
		if p := first(); p == nil || p.Problem != "identify: NVMe status 0x6" {
			t.Errorf("a path that is not live for a moment: %+v, want what is known", p)
		}
		node.mu.Lock()
		node.io = &PathIO{Reads: 1}
		node.mu.Unlock()
		rounds(1)
		if p := first(); p != nil {
			t.Errorf("a path with I/O: %+v", p)
		}
	})
}

// TestProbeForeign: who connected a controller may not want it to be asked.
func TestProbeForeign(t *testing.T) {
	node := newFakeNode(uuidA)
	node.add(way2, "nvme-cli")
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		node.staged(ctx, t, l)
		time.Sleep(3 * probeInterval) //nolint:forbidigo // the bubble's time
		synctest.Wait()
		node.mu.Lock()
		defer node.mu.Unlock()
		if node.probed[way1] == 0 || node.probed[way2] != 0 {
			t.Errorf("probed %v, want %s only", node.probed, nvme.TransportID.String(way1))
		}
	})
}

// TestProbesAtOnce: however many paths are idle, and do not answer, a few are
// asked at a time, and all in the end.
func TestProbesAtOnce(t *testing.T) {
	node := newFakeNode(uuidA)
	ways := []nvme.TransportID{way1, way2}
	for i := range 3*probesAtOnce - len(ways) {
		w := way1
		w.TrAddr = fmt.Sprintf("198.51.100.%d", i+1)
		ways = append(ways, w)
	}
	var now, most atomic.Int32
	for _, w := range ways {
		node.probe[w] = func(ctx context.Context) error {
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			defer now.Add(-1)
			return hangs(ctx)
		}
	}
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("a", uuidA, ways...)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * probeInterval) //nolint:forbidigo // the bubble's time
		synctest.Wait()
		if n := most.Load(); n != probesAtOnce {
			t.Errorf("%d paths were asked at the same time, want %d", n, probesAtOnce)
		}
		node.mu.Lock()
		defer node.mu.Unlock()
		if n := len(node.probed); n != len(ways) {
			t.Errorf("%d paths were asked, want %d", n, len(ways))
		}
	})
}
