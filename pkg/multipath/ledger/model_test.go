package ledger

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
)

var modelSeed = flag.Uint64("model.seed", 0, "seed of TestModel; 0 takes one from the clock")

// TestModel plays random histories of a node against the ledger, and asserts
// its promise after every sample.
func TestModel(t *testing.T) {
	seed := *modelSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("repeat with -model.seed=%d", seed)
	for round := range uint64(20) {
		m := newModel(t, rand.New(rand.NewPCG(seed, round)))
		for range 300 {
			m.step()
			if t.Failed() {
				t.Fatalf("seed %d, round %d, history:\n%s", seed, round, strings.Join(m.history, "\n"))
			}
		}
	}
}

// truth is one path as the kernel has it, and what the ledger may know of it.
type truth struct {
	epoch int
	raw   uint64
	total uint64 // all that was ever counted
	floor uint64 // the lifetime last published
	// mem is what the running ledger knows, disk what it would know after a
	// crash. They differ after a failed write only.
	mem, disk knowledge
}

// knowledge is how much of the truth the samples can have shown.
type knowledge struct {
	last   uint64 // raw at the last sample
	unseen uint64 // of raw, counted since that sample or since zeroed
	lost   uint64 // counted and gone before a sample could show it
	zeroed bool   // since the last sample, within the epoch
}

func (k *knowledge) sampled(raw uint64) {
	if k.zeroed && raw >= k.last {
		k.lost += k.last // it passed its old value unseen
	}
	k.last, k.unseen, k.zeroed = raw, 0, false
}

func (p *truth) count(n uint64) {
	p.raw, p.total = p.raw+n, p.total+n
	p.mem.unseen, p.disk.unseen = p.mem.unseen+n, p.disk.unseen+n
}

func (p *truth) zero() {
	p.raw = 0
	for _, k := range []*knowledge{&p.mem, &p.disk} {
		k.lost, k.unseen, k.zeroed = k.lost+k.unseen, 0, true
	}
}

func (p *truth) recreate() {
	p.zero()
	p.epoch++
	p.mem.zeroed, p.disk.zeroed = false, false
	p.mem.last, p.disk.last = 0, 0 // a new epoch counts from 0 in any case
}

type model struct {
	t       *testing.T
	rnd     *rand.Rand
	ledger  *Ledger
	paths   map[string]*truth
	now     time.Time
	history []string
	// fault decides about the next writes; stored tells that the last one
	// reached the disk, whatever it returned.
	fault  func() (before, after error)
	stored bool
}

func newModel(t *testing.T, rnd *rand.Rand) *model {
	m := &model{t: t, rnd: rnd, now: noon, paths: map[string]*truth{"p1": {}, "p2": {}, "p3": {}}}
	m.fault = func() (error, error) { return nil, nil }
	m.ledger = open(t, t.TempDir())
	m.reopen()
	return m
}

func (m *model) note(format string, args ...any) {
	m.history = append(m.history, fmt.Sprintf(format, args...))
}

func (m *model) pick() (string, *truth) {
	name := fmt.Sprint("p", 1+m.rnd.IntN(len(m.paths)))
	return name, m.paths[name]
}

func (m *model) step() {
	m.now = m.now.Add(time.Duration(m.rnd.IntN(20)) * time.Second)
	switch n := m.rnd.IntN(100); {
	case n < 45:
		m.count()
	case n < 70:
		m.observe()
	case n < 76:
		name, p := m.pick()
		p.zero()
		m.note("somebody resets %s", name)
	case n < 82:
		name, p := m.pick()
		p.recreate()
		m.note("%s is made anew", name)
	case n < 84:
		for _, p := range m.paths {
			p.recreate()
		}
		m.note("reboot")
		m.reopen()
	case n < 90:
		m.reset()
	case n < 94:
		m.reopen()
	default:
		m.breakDisk()
	}
}

func (m *model) count() {
	name, p := m.pick()
	n := m.rnd.Uint64N(10)
	p.count(n)
	m.note("%s counts %d", name, n)
}

// breakDisk lets one of the next writes fail, before or after the rename.
func (m *model) breakDisk() {
	in, after := m.rnd.IntN(3), m.rnd.IntN(2) == 0
	m.note("write fails in %d, after the rename: %t", in, after)
	m.fault = func() (error, error) {
		in--
		switch {
		case in != -1:
			return nil, nil
		case after:
			return nil, syscall.EIO
		}
		return syscall.ENOSPC, nil
	}
}

// reopen is a crash and a new start.
func (m *model) reopen() {
	m.note("Braid starts")
	m.ledger = open(m.t, m.ledger.dir)
	write := m.ledger.write
	m.ledger.write = func(path string, data []byte, perm fs.FileMode) error {
		before, after := m.fault()
		m.stored = before == nil
		if before != nil {
			return before
		}
		return errors.Join(write(path, data, perm), after)
	}
	for _, p := range m.paths {
		p.mem = p.disk
	}
}

func (m *model) samples() map[string]Sample {
	samples := map[string]Sample{}
	for name, p := range m.paths {
		samples[name] = Sample{
			At: m.now, Epoch: fmt.Sprint(p.epoch), Source: nvme.SourceKernelAttribute, Exact: true,
			Counters: nvme.Counters{nvme.Failovers: p.raw},
		}
	}
	return samples
}

func (m *model) observe() {
	m.stored = true // what is not written need not be
	err := m.ledger.Observe(muted(m.t), volume, m.samples())
	m.note("sample %v: %v", m.raws(), err)
	for _, p := range m.paths {
		p.mem.sampled(p.raw)
	}
	m.learned()
	m.check(err)
}

// learned notes what is on disk after a call that merged samples.
func (m *model) learned() {
	if !m.stored {
		return
	}
	for _, p := range m.paths {
		p.disk = p.mem
	}
}

func (m *model) check(err error) {
	for name, r := range m.ledger.Records(volume) {
		p, got := m.paths[name], r.Tallies[nvme.Failovers]
		if got.Lifetime > p.total || got.Lifetime+p.mem.lost < p.total || got.Lifetime < p.floor {
			m.t.Errorf("%s: lifetime %d, want at most %d, at least %d and %d less the %d that may be lost",
				name, got.Lifetime, p.total, p.floor, p.total, p.mem.lost)
		}
		if got.SinceReset > got.Lifetime {
			m.t.Errorf("%s: %+v", name, got)
		}
		if err == nil {
			p.floor = got.Lifetime
		}
	}
}

func (m *model) raws() map[string]uint64 {
	raws := map[string]uint64{}
	for name, p := range m.paths {
		raws[name] = p.raw
	}
	return raws
}

// reset plays one of ours, with events in between and a crash after any step.
func (m *model) reset() {
	id, err := m.ledger.BeginReset(muted(m.t), volume, ResetRequest{By: "model", Reason: "test", At: m.now})
	m.note("begin reset: %v", err)
	if err != nil {
		if m.rnd.IntN(2) == 0 {
			m.reopen()
		}
		return
	}
	crash := m.rnd.IntN(8)
	written := 0
	for name, p := range m.paths {
		if m.rnd.IntN(4) == 0 {
			m.count()
		}
		if crash == written {
			m.fail(id)
			return
		}
		p.zero()
		written++
		m.note("we reset %s", name)
		if m.rnd.IntN(4) == 0 {
			m.count()
			_ = m.ledger.Observe(muted(m.t), volume, m.samples()) // merges no counters
		}
	}
	if crash == written {
		m.fail(id)
		return
	}
	m.complete(id)
}

// fail ends a reset that was cut short: Braid dies, or gives it up.
func (m *model) fail(id string) {
	if m.rnd.IntN(2) == 0 {
		m.reopen()
		return
	}
	if err := m.ledger.AbandonReset(muted(m.t), volume, id); err != nil {
		m.t.Errorf("abandon reset: %v", err)
	}
	m.note("abandon reset")
}

func (m *model) complete(id string) {
	reset, err := m.ledger.CompleteReset(muted(m.t), volume, id, m.samples())
	m.note("complete reset %v: %v", m.raws(), err)
	after := map[string]knowledge{}
	for name, p := range m.paths {
		k := p.mem
		k.sampled(p.raw)
		after[name] = k
	}
	for name, p := range m.paths {
		if m.stored {
			p.disk = after[name]
		}
		if err == nil {
			p.mem = after[name]
		}
	}
	if err != nil {
		m.reopen() // the caller would try again; dying is worse
		return
	}
	m.check(nil)
	for name, r := range m.ledger.Records(volume) {
		if got, raw := r.Tallies[nvme.Failovers].SinceReset, m.paths[name].raw; got > raw || !r.CountedSince.Equal(reset.At) {
			m.t.Errorf("%s: %d since %v, want at most %d since the reset at %v", name, got, r.CountedSince, raw, reset.At)
		}
	}
}
