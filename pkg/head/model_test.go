package head

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/host"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

const (
	modelWorkers = 16
	// workerBlocks are each worker's own: few, so that it soon comes back to a
	// block.
	workerBlocks = 24
	modelBlock   = 512
)

// model is a workload that knows what every block must hold. Each worker has
// blocks of its own and does one thing at a time, so that what it has written
// last is what it reads: anything else is stale or lost.
type model struct {
	h      *Head
	seed   uint64
	ops    atomic.Int64
	cancel context.CancelFunc // stops the workers

	mu    sync.Mutex
	wrong []string
}

// worker is one of them. want has the content of its blocks, to the byte.
type worker struct {
	*user
	m       *model
	id      uint64
	random  *rand.Rand
	version uint64
	want    []byte
	buf     []byte
}

func newModel(h *Head, seed uint64) *model { return &model{h: h, seed: seed} }

// random is a source of random numbers for one purpose.
func (m *model) random(purpose uint64) *rand.Rand { return rand.New(rand.NewPCG(m.seed, purpose)) }

// fail tells that something is wrong, and ends the run.
func (m *model) fail(format string, args ...any) {
	m.mu.Lock()
	m.wrong = append(m.wrong, fmt.Sprintf(format, args...))
	m.mu.Unlock()
	m.cancel()
}

// start starts the workers; what it returns stops them and looks at every block
// once more when no write can be late any more.
func (m *model) start(ctx context.Context) (ended context.Context, stop func()) {
	ctx, m.cancel = context.WithCancel(ctx)
	var running sync.WaitGroup
	var workers [modelWorkers]*worker
	for i := range workers {
		w := &worker{
			user: newUser(m.h), m: m, id: uint64(i), random: m.random(uint64(i)),
			want: make([]byte, workerBlocks*modelBlock), buf: make([]byte, workerBlocks*modelBlock),
		}
		w.Queue = uint(i)
		workers[i] = w
		running.Go(func() {
			for ctx.Err() == nil {
				w.step()
				m.ops.Add(1)
			}
		})
	}
	return ctx, func() {
		m.cancel()
		running.Wait()
		_ = m.h.Settle(context.WithoutCancel(ctx))
		for _, w := range workers {
			w.read(0, workerBlocks)
		}
	}
}

// step does one thing.
func (w *worker) step() {
	blocks := 1 + w.random.Uint32N(4)
	first := w.random.Uint64N(workerBlocks - uint64(blocks) + 1)
	part := w.want[first*modelBlock:][:blocks*modelBlock]
	var status nvme.Status
	switch n := w.random.IntN(100); {
	case n < 45:
		w.read(first, blocks)
	case n < 80:
		w.version++
		for b := 0; b < len(part); b += modelBlock {
			w.tag(part[b:][:modelBlock], first+uint64(b/modelBlock))
		}
		copy(w.buf, part)
		w.FUA = n%2 == 0
		status = w.do(nvmetcp.Write, w.start(first), blocks, w.buf[:len(part)])
		w.FUA = false
	case n < 86:
		clear(part)
		status = w.do(nvmetcp.WriteZeroes, w.start(first), blocks, nil)
	case n < 92:
		clear(part)
		status = w.do(nvmetcp.DatasetManagement, w.start(first), blocks, nil)
	default:
		status = w.do(nvmetcp.Flush, 0, 0, nil)
	}
	if status != nvme.StatusSuccess {
		w.m.fail("worker %d: %#x of %d blocks at %d: %s", w.id, w.Op, blocks, first, status)
	}
}

func (w *worker) start(first uint64) uint64 { return w.id*workerBlocks + first }

// tag fills a block with who wrote it, where and in which version.
func (w *worker) tag(b []byte, block uint64) {
	for i := 0; i < len(b); i += 24 {
		var tag [24]byte
		binary.LittleEndian.PutUint64(tag[:], w.id+1)
		binary.LittleEndian.PutUint64(tag[8:], block)
		binary.LittleEndian.PutUint64(tag[16:], w.version)
		copy(b[i:], tag[:])
	}
}

// read reads blocks and compares them.
func (w *worker) read(first uint64, blocks uint32) {
	got := w.buf[:blocks*modelBlock]
	clear(got)
	if status := w.do(nvmetcp.Read, w.start(first), blocks, got); status != nvme.StatusSuccess {
		w.m.fail("worker %d: read of %d blocks at %d: %s", w.id, blocks, first, status)
		return
	}
	for b := range uint64(blocks) {
		g, want := got[b*modelBlock:][:modelBlock], w.want[(first+b)*modelBlock:][:modelBlock]
		if !bytes.Equal(g, want) {
			w.m.fail("worker %d, now at version %d: block %d has %x, want %x", w.id, w.version, first+b, g[:24], want[:24])
		}
	}
}

// fromEnvironment is a number that may be set from outside.
func fromEnvironment(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// startModel runs the workload over a target with three ports.
func startModel(t *testing.T, inDoubt InDoubtConfig) (*rig, *model) {
	const kato = 200 * time.Millisecond
	r := newRig(t, 3, modelWorkers*workerBlocks*modelBlock, Config{
		Host:     host.Config{KeepAlive: kato, IOTimeout: 2 * kato},
		IOPolicy: nvme.IOPolicyRoundRobin, InDoubt: inDoubt,
	})
	seed := fromEnvironment(t, "BRAID_SEED", rand.Uint64())
	t.Logf("BRAID_SEED=%d", seed)
	return r, newModel(r.h, seed)
}

// TestModel: through cuts, ANA changes, black holes and late writes, nothing is
// ever read but what was written last. BRAID_FAULTS says how many faults,
// BRAID_SEED which.
func TestModel(t *testing.T) {
	r, m := startModel(t, InDoubtConfig{})
	ctx, stop := m.start(t.Context())
	n := fromEnvironment(t, "BRAID_FAULTS", 20)
	c := &chaos{rig: r, m: m, random: m.random(1000)}
	for range n {
		if ctx.Err() != nil {
			break
		}
		c.next(ctx)
	}
	c.calm()
	stop()
	c.report()
	for _, w := range m.wrong {
		t.Error(w)
	}
}

// TestModelIgnore: without the table of what is in doubt, the workload does find
// a write that came late.
func TestModelIgnore(t *testing.T) {
	r, m := startModel(t, InDoubtConfig{Ignore: true})
	ctx, stop := m.start(t.Context())
	c := &chaos{rig: r, m: m, random: m.random(1000)}
	for i := 0; i < 100 && ctx.Err() == nil; i++ {
		c.late(ctx, c.port())
	}
	c.calm()
	stop()
	c.report()
	if len(m.wrong) == 0 {
		t.Error("no stale write was found, so the workload would not find one where it must not be")
	} else {
		t.Log(m.wrong[0])
	}
}
