package multipath

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

const (
	testNQN  = nvme.NQN("nqn.2026-11.dev.braid:test")
	testBoot = "boot-1"
)

var (
	uuidA = nvme.NamespaceID{Type: nvme.UUID, Value: "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190801"}
	uuidB = nvme.NamespaceID{Type: nvme.UUID, Value: "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190802"}
	way1  = nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: "192.0.2.1", TrSvcID: "4420"}
	way2  = nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: "192.0.2.2", TrSvcID: "4420"}
)

// fakeNode is an engine over a subsystem that lives in memory, for the layer's
// own decisions. What the kernel really does is shown by hack/e2e.
type fakeNode struct {
	mu         sync.Mutex
	namespaces []nvme.NamespaceID
	policy     nvme.IOPolicy
	present    []Controller
	// answer says what connecting an address does; nil connects it.
	answer map[nvme.TransportID]func(context.Context) error
	busy   map[string]bool // heads that somebody has mounted
	counts map[string]nvme.Counters
	source nvme.CounterSource
	sweeps int
	// generation numbers lives: of controllers, and of the heads while there
	// is any controller.
	generation, headLife int
	observed             int // how often
	// nodeFrom is when device nodes appear, signAfter for how long a controller
	// is live before it is signed.
	nodeFrom  time.Time
	signAfter time.Duration
	// resetFails, if set, is done instead of resetting counters.
	resetFails func() error
	// controllerReset, if set, is what resetting a controller does, and
	// controllersReset which were.
	controllerReset  func() error
	controllersReset []string
	// kicked are the controllers whose connections were ended, io is what every
	// path does, and timeouts what they were set to.
	kicked   []string
	io       *PathIO
	timeouts map[string]time.Duration
	// probe says what probing an address does; nil answers. probed is how often.
	probe  map[nvme.TransportID]func(context.Context) error
	probed map[nvme.TransportID]int
	// evidence is what is known of controllers, and begun what was to find out more.
	evidence map[nvme.TransportID]Evidence
	begun    []string
	// listed is what the discovery controllers list, which answer if they are in
	// it; asked is how often they were.
	listed map[nvme.TransportID][]nvme.TransportID
	asked  int
	// without are the namespaces that an address does not have.
	without map[nvme.TransportID]nvme.NamespaceID
}

func newFakeNode(namespaces ...nvme.NamespaceID) *fakeNode {
	return &fakeNode{
		namespaces: namespaces, policy: nvme.IOPolicyNUMA,
		answer: map[nvme.TransportID]func(context.Context) error{},
		probe:  map[nvme.TransportID]func(context.Context) error{}, probed: map[nvme.TransportID]int{},
		io: &PathIO{}, timeouts: map[string]time.Duration{},
		without: map[nvme.TransportID]nvme.NamespaceID{},
		busy:    map[string]bool{}, counts: map[string]nvme.Counters{}, source: nvme.SourceKernelAttribute,
	}
}

func refused(context.Context) error { return syscall.ECONNREFUSED }

// hangs is a dead address: it answers when the caller gives up.
func hangs(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func (f *fakeNode) Observe(context.Context) (*Observation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.observed++
	obs := &Observation{At: time.Now()}
	if len(f.present) == 0 {
		return obs, nil
	}
	s := Subsystem{Name: "nvme-subsys0", NQN: testNQN, IOPolicy: f.policy, Controllers: slices.Clone(f.present)}
	for i, id := range f.namespaces {
		h := Head{
			Name: fmt.Sprintf("nvme0n%d", i+1), DevNum: fmt.Sprintf("259:%d", i), IDs: []nvme.NamespaceID{id},
			SizeBytes: 1 << 20, Epoch: fmt.Sprintf("%s/head/%d/%d", testBoot, i, f.headLife),
		}
		h.Device = "/dev/" + h.Name
		for _, c := range f.present {
			if f.without[c.Address] == id {
				continue
			}
			name := fmt.Sprintf("nvme0c%sn%d", c.Name[len("nvme"):], i+1)
			h.Paths = append(h.Paths, HeadPath{
				Name: name, Controller: c.Name, ANAState: nvme.ANAOptimized, Epoch: c.Epoch + name,
				Counters: f.counts[name], Source: f.source, Exact: true, IO: f.io, IOTimeout: cmp.Or(f.timeouts[name], 30*time.Second),
			})
		}
		s.Heads = append(s.Heads, h)
	}
	obs.Subsystems = []Subsystem{s}
	return obs, nil
}

func (f *fakeNode) Hints(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return nil
}

func (f *fakeNode) BootID() string                { return testBoot }
func (f *fakeNode) Prepare(context.Context) error { return nil }

func (f *fakeNode) Sweep() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sweeps++
	return nil
}

func (f *fakeNode) Ready(Head) error {
	if time.Now().Before(f.nodeFrom) {
		return syscall.ENOENT
	}
	return nil
}

func (f *fakeNode) Adopt(c Controller) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.present {
		if f.present[i].Epoch == c.Epoch {
			f.present[i].Owner = Owner
		}
	}
	return nil
}

func (f *fakeNode) InUse(_ context.Context, heads ...Head) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range heads {
		if f.busy[h.Name] {
			return h.Name, nil
		}
	}
	return "", nil
}

func (f *fakeNode) Discover(_ context.Context, from nvme.TransportID, _ nvme.NQN) ([]nvme.TransportID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	listed, ok := f.listed[from]
	if !ok {
		return nil, syscall.ECONNREFUSED
	}
	return slices.Clone(listed), nil
}

func (f *fakeNode) Connect(ctx context.Context, _ nvme.NQN, to nvme.TransportID, _ ConnectOptions) (string, error) {
	f.mu.Lock()
	answer := f.answer[to]
	f.mu.Unlock()
	if answer != nil {
		if err := answer(ctx); err != nil {
			return "", err
		}
	}
	if f.signAfter == 0 {
		return f.add(to, Owner), nil
	}
	name := f.add(to, "")
	time.Sleep(f.signAfter) //nolint:forbidigo // the bubble's time
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.present {
		if f.present[i].Name == name {
			f.present[i].Owner = Owner
		}
	}
	return name, nil
}

// add makes a controller that who has connected.
func (f *fakeNode) add(to nvme.TransportID, who string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.present) == 0 {
		f.headLife++
	}
	f.generation++
	name := "nvme0" // the lowest that is free, as the kernel gives them out
	for n := 1; slices.ContainsFunc(f.present, func(c Controller) bool { return c.Name == name }); n++ {
		name = fmt.Sprintf("nvme%d", n)
	}
	f.present = append(f.present, Controller{
		Name: name, State: nvme.StateLive, Address: to, Owner: who, Epoch: fmt.Sprintf("%s/controller/%d", testBoot, f.generation),
	})
	return name
}

func (f *fakeNode) Disconnect(_ context.Context, c Controller) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.present = slices.DeleteFunc(f.present, func(have Controller) bool { return have.Epoch == c.Epoch })
	return nil
}

func (f *fakeNode) SetIOPolicy(_ string, p nvme.IOPolicy) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p == "refused" {
		return syscall.EINVAL
	}
	f.policy = p
	return nil
}

func (f *fakeNode) Tune(string, ConnectOptions) error { return nil }
func (f *fakeNode) Rescan(string) error               { return nil }

func (f *fakeNode) ResetCounters(_ string, h Head) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.resetFails != nil {
		return f.resetFails()
	}
	for _, p := range h.Paths {
		f.counts[p.Name] = nvme.Counters{nvme.Failovers: 0}
	}
	return nil
}

func (f *fakeNode) ResetController(c Controller) (func(context.Context) error, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.controllersReset = append(f.controllersReset, c.Address.String())
	done, err := make(chan struct{}), error(nil)
	reset := f.controllerReset
	go func() {
		defer close(done)
		if reset != nil {
			err = reset()
		}
	}()
	return func(ctx context.Context) error {
		select {
		case <-done:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}, nil
}

func (f *fakeNode) KickConnection(c Controller) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kicked = append(f.kicked, c.Address.String())
	return nil
}

func (f *fakeNode) Probe(c Controller, limit time.Duration) (func(context.Context) error, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.probed[c.Address]++
	answer := f.probe[c.Address]
	return func(ctx context.Context) error {
		if answer == nil {
			return nil
		}
		ctx, cancel := context.WithTimeoutCause(ctx, limit, ErrNoAnswer)
		defer cancel()
		return answer(ctx)
	}, nil
}

func (f *fakeNode) SetIOTimeout(_ Controller, p HeadPath, to time.Duration) (func(context.Context) error, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.timeouts[p.Name] = to
	return func(context.Context) error { return nil }, nil
}

// staged stages a volume over two paths and waits for both.
func (f *fakeNode) staged(ctx context.Context, t *testing.T, l *Layer) {
	t.Helper()
	if _, err := l.Ensure(ctx, testVolume("a", uuidA, way1, way2)); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func (f *fakeNode) wereReset() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.controllersReset)
}

// at returns the controller of an address, which must be there. Called with the
// lock held.
func (f *fakeNode) at(to nvme.TransportID) *Controller {
	return &f.present[slices.IndexFunc(f.present, func(c Controller) bool { return c.Address == to })]
}

// drop makes the controller of an address vanish.
func (f *fakeNode) drop(to nvme.TransportID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.present = slices.DeleteFunc(f.present, func(c Controller) bool { return c.Address == to })
}

// connected returns the addresses of the controllers, sorted.
func (f *fakeNode) connected() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []string{}
	for _, c := range f.present {
		out = append(out, c.Address.Address())
	}
	slices.Sort(out)
	return out
}

func testVolume(id string, ns nvme.NamespaceID, ways ...nvme.TransportID) Volume {
	return Volume{ID: id, SubsystemNQN: testNQN, Namespace: ns, Addresses: ways, MinPaths: 1, Connect: DefaultConnectOptions()}
}

// withLayer runs a test against a layer over the node, in a bubble of its own
// time.
func withLayer(t *testing.T, node *fakeNode, test func(t *testing.T, ctx context.Context, l *Layer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := openLayer(ctx, t, node, t.TempDir())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		test(t, ctx, l)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func openLayer(ctx context.Context, t *testing.T, node *fakeNode, dir string) *Layer {
	t.Helper()
	book, err := ledger.Open(ctx, dir+"/ledger")
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(ctx, node, book, Options{Dir: dir + "/volumes"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// records counts the volume records on disk.
func records(t *testing.T, l *Layer) int {
	t.Helper()
	volumes, err := l.store.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(volumes)
}
