package head

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/braid-csi/braid/pkg/host"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

var testID = nvme.NamespaceID{Type: nvme.UUID, Value: "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190801"}

const testBlocks = 1024

// fakeDevice is a controller whose commands are answered by the test.
type fakeDevice struct {
	cfg       host.Config
	submitted chan *host.Request

	mu         sync.Mutex
	state      nvme.ControllerState
	failed     bool // it is not available
	identify   nvmetcp.IdentifyController
	groups     []nvmetcp.ANAGroup
	namespaces []host.Namespace
	broken     bool          // namespaces cannot be identified
	gate       chan struct{} // lets the ANA log be read, nil for at once

	logs, resets atomic.Int64 // how often the ANA log was read, and it was reset
}

func newFakeDevice() *fakeDevice {
	return &fakeDevice{
		submitted: make(chan *host.Request, 1000), state: nvme.StateLive,
		identify: nvmetcp.IdentifyController{MultiPath: nvmetcp.CMICANA, ANATransitionTime: 10, RetryDelays: [3]uint16{5, 20, 0}},
		groups:   []nvmetcp.ANAGroup{{ID: 1, State: nvme.ANAOptimized, Namespaces: []uint32{1}}},
		namespaces: []host.Namespace{{
			NSID: 1, IDs: []nvme.NamespaceID{testID},
			IdentifyNamespace: nvmetcp.IdentifyNamespace{Blocks: testBlocks, BlockShift: 9, Shared: true},
		}},
	}
}

func (f *fakeDevice) Submit(r *host.Request, _ uint) { f.submitted <- r }
func (f *fakeDevice) MaxTransfer() int               { return 1 << 20 }
func (f *fakeDevice) Counters() nvme.Counters {
	return nvme.Counters{nvme.Resets: uint64(f.resets.Load())}
}
func (f *fakeDevice) SetCounter(nvme.Counter, uint64) error { return nil }

func (f *fakeDevice) State() nvme.ControllerState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

func (f *fakeDevice) Available() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.failed && !going(f.state)
}

func (f *fakeDevice) Identify() nvmetcp.IdentifyController {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.identify
}

func (f *fakeDevice) Reset() {
	f.resets.Add(1)
	f.set(nvme.StateResetting)
}

func (f *fakeDevice) Close(context.Context) error {
	f.set(nvme.StateDead)
	for {
		select {
		case r := <-f.submitted:
			answer(r, nvme.StatusHostAborted)
		default:
			return nil
		}
	}
}

func (f *fakeDevice) ANALog(context.Context) ([]nvmetcp.ANAGroup, error) {
	f.logs.Add(1)
	f.mu.Lock()
	gate := f.gate
	f.mu.Unlock()
	if gate != nil {
		<-gate
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.groups, nil
}

func (f *fakeDevice) ActiveNamespaces(context.Context) ([]uint32, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []uint32
	for _, n := range f.namespaces {
		list = append(list, n.NSID)
	}
	return list, nil
}

func (f *fakeDevice) IdentifyNamespace(_ context.Context, nsid uint32) (host.Namespace, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.namespaces {
		if n.NSID == nsid && !f.broken {
			return n, nil
		}
	}
	return host.Namespace{}, errors.New("there is none")
}

// change changes what the controller says.
func (f *fakeDevice) change(do func(*fakeDevice)) {
	f.mu.Lock()
	do(f)
	f.mu.Unlock()
}

// set changes the state and tells of it.
func (f *fakeDevice) set(s nvme.ControllerState) {
	if s == nvme.StateLive && f.cfg.BeforeLive(context.Background(), nil) != nil {
		return
	}
	f.change(func(f *fakeDevice) { f.state = s })
	f.cfg.StateChanged(s)
}

// setANA changes the state of the only group and tells of it.
func (f *fakeDevice) setANA(s nvme.ANAState) {
	f.change(func(f *fakeDevice) {
		f.groups = []nvmetcp.ANAGroup{{ID: 1, State: s, Namespaces: []uint32{1}}}
	})
	f.cfg.ANAChanged()
}

func answer(r *host.Request, s nvme.Status) {
	r.Completion, r.InDoubtUntil = nvmetcp.Completion{Status: s}, time.Time{}
	r.Done(r)
}

// window is for how long the controllers leave writes in doubt.
const window = 10 * time.Second

// lose ends a command as a host does whose association has ended.
func lose(r *host.Request) {
	r.Completion, r.InDoubtUntil = nvmetcp.Completion{Status: nvme.StatusHostAborted}, time.Now().Add(window)
	r.Done(r)
}

// bed is a subsystem with fake controllers, in a bubble of its own time.
type bed struct {
	*testing.T
	s    *Subsystem
	h    *Head
	devs []*fakeDevice
}

// inBubble runs a test with two paths.
func inBubble(t *testing.T, cfg Config, test func(b *bed)) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		b := &bed{T: t, s: s, devs: []*fakeDevice{newFakeDevice(), newFakeDevice()}}
		for i, f := range b.devs {
			s.connect = func(_ context.Context, cfg host.Config) (device, error) {
				f.cfg = cfg
				return f, nil
			}
			if _, err := s.Connect(t.Context(), testAddress(i), 0); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if b.h, err = s.Open(t.Context(), testID); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}()
		test(b)
	})
}

func testAddress(i int) nvme.TransportID {
	return nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: "192.0.2." + strconv.Itoa(i+1), TrSvcID: "4420"}
}

// io starts a request; the channel gets its status.
func (b *bed) io(op nvmetcp.Opcode, start uint64, blocks uint32) chan nvme.Status {
	done := make(chan nvme.Status, 1)
	r := &Request{Op: op, Start: start, Blocks: blocks, Done: func(r *Request) { done <- r.Status }}
	if op == nvmetcp.Read || op == nvmetcp.Write {
		r.Data = make([]byte, blocks*512)
	}
	b.h.Submit(r)
	synctest.Wait()
	return done
}

// pass lets time pass, that of the bubble.
func (b *bed) pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the time is what the test is about, and it does not take any
	synctest.Wait()
}

// sent returns the command that is on a path, which there is at once.
func (b *bed) sent(device int) *host.Request {
	b.Helper()
	synctest.Wait()
	select {
	case r := <-b.devs[device].submitted:
		return r
	default:
		b.Fatalf("no command on path %d; %+v", device, b.s.Snapshot())
		return nil
	}
}

// idle checks that no command is on any path.
func (b *bed) idle(when string) {
	b.Helper()
	synctest.Wait()
	for i, f := range b.devs {
		if n := len(f.submitted); n != 0 {
			b.Errorf("%s: %d commands on path %d, want none", when, n, i)
		}
	}
}

// ended checks that a request has ended like that.
func (b *bed) ended(done chan nvme.Status, want nvme.Status) {
	b.Helper()
	synctest.Wait()
	select {
	case got := <-done:
		if got != want {
			b.Errorf("the request ended with %s, want %s", got, want)
		}
	default:
		b.Errorf("the request has not ended, want %s; %+v", want, b.s.Snapshot())
	}
}

// counters checks all counters of the head and its paths that are not zero.
func (b *bed) counters(want map[string]uint64) {
	b.Helper()
	for name, c := range map[string]nvme.Counters{"head": b.h.Counters(), "0": b.h.Paths()[0].Counters(), "1": b.h.Paths()[1].Counters()} {
		for counter, got := range c {
			if key := name + " " + string(counter); got != want[key] {
				b.Errorf("counter %s is %d, want %d", key, got, want[key])
			}
		}
	}
}
