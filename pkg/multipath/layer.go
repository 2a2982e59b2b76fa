package multipath

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/attachment"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// engine is what moves the I/O: the kernel or, later, Braid's own data plane.
type engine interface {
	observer
	discoverer
	connector
	tuner
}

type observer interface {
	// Observe scans the node once and waits for no device.
	Observe(context.Context) (*Observation, error)
	// Hints calls look when there may be something new to see, until ctx ends.
	Hints(ctx context.Context, look func()) error
	// BootID identifies this boot: no controller outlives it.
	BootID() string
}

type discoverer interface {
	// Discover returns where this host finds a subsystem, over TCP, according to a
	// discovery controller and those that it refers to, and why that may not be all.
	// It is the target's word.
	Discover(ctx context.Context, from nvme.TransportID, nqn nvme.NQN) ([]nvme.TransportID, error)
}

type connector interface {
	// Prepare makes sure that the node can connect at all.
	Prepare(context.Context) error
	// Adopt signs a controller as connected by Braid.
	Adopt(Controller) error
	// Connect makes one controller and returns its name. It may take minutes.
	Connect(context.Context, nvme.NQN, nvme.TransportID, ConnectOptions) (string, error)
	// Disconnect takes a controller down and waits until it is gone.
	Disconnect(context.Context, Controller) error
	// Sweep removes the signatures on controllers that are gone.
	Sweep() error
	// Ready tells whether the head's device node can be opened.
	Ready(Head) error
	// InUse returns the name of the first of the heads that anybody has
	// mounted, open or made something of; "" for none.
	InUse(context.Context, ...Head) (string, error)
}

type tuner interface {
	SetIOPolicy(subsystem string, p nvme.IOPolicy) error
	Tune(controller string, o ConnectOptions) error
	Rescan(controller string) error
	ResetCounters(subsystem string, h Head) error
	// ResetController has a controller set up anew and returns what waits for
	// the end of it, also several times; the end of its context ends the waiting
	// only.
	ResetController(Controller) (wait func(context.Context) error, err error)
	// KickConnection ends the connections of a controller, and nobody else's.
	KickConnection(Controller) error
	// SetIOTimeout has the kernel wait for so long for a request on a
	// controller's path, and returns what waits for the end of that.
	SetIOTimeout(Controller, HeadPath, time.Duration) (wait func(context.Context) error, err error)
}

// Options are the layer's surroundings.
type Options struct {
	// Dir keeps the volumes' records.
	Dir string
	// PollInterval is the time between two observations where no hint comes;
	// 500 ms where zero. Lost paths and ANA changes send no hint.
	PollInterval time.Duration
	Clock        func() time.Time
	// KeepLedger is for how long the ledger of a volume that left the node is
	// kept; 0: for ever.
	KeepLedger time.Duration
	// Publish is called with every snapshot, in order. It must be quick.
	Publish func(*Snapshot)
}

// Layer is the multipath layer of one node. It is safe for concurrent use.
type Layer struct {
	engine  engine
	ledger  *ledger.Ledger
	store   store
	poll    time.Duration
	now     func() time.Time
	publish func(*Snapshot)
	keep    time.Duration

	subsystems locks      // see doc.go
	lookMu     sync.Mutex // the look lock; guards complaint
	complaint  string     // what was wrong with the ledger last

	mu       sync.Mutex // the state lock; guards what follows
	volumes  map[string]*staged
	attempts map[way]*attempt
	// pulled are the subsystems of which a controller is being set right.
	pulled map[nvme.NQN]bool
	// timeouts is when each path, by its epoch, was given its I/O timeout last.
	timeouts map[string]time.Time
	probes   probes
	benched  benched
	// doubts are by the controller's name.
	doubts map[string]doubt
	// lost is since when expected paths have been without a connection, and
	// inquiries are those about them; of volumes with discovery controllers.
	lost      map[way]time.Time
	inquiries map[directory]*inquiry
	looked    chan struct{} // closed and replaced with every snapshot
	// maintained is never changed in place.
	maintained map[nvme.TransportID]Maintenance

	snapshot atomic.Pointer[Snapshot]
	seen     atomic.Pointer[Observation]
	hint     chan struct{} // asks for a look
	litter   chan struct{} // asks for a tidying
	// background is the context of the attempts, which outlive the calls that
	// begin them; Run ends it.
	background context.Context
	stop       context.CancelCauseFunc
}

// staged is a volume with what staging found.
type staged struct {
	Volume
	// Head is the device that was staged; its Epoch is empty until then.
	Head stagedHead
	// releasing: it is being given up, and nothing is connected for it.
	releasing bool
	// foreign are the epochs of controllers that were there before it and that
	// nobody had signed: Braid did not connect those.
	foreign []string
	// sources are the addresses of this host from which its paths left when
	// they were first live, by the paths' own. The map is never changed in
	// place.
	sources map[string]string
	// moved are the paths to expect, none: those that the volume asks for. leftOut
	// is what discovery controllers listed beside those, nil until that is known.
	// Neither is ever changed in place.
	moved   []expectation
	leftOut []nvme.TransportID
}

// belongingTo returns the volume with another origin; itself if there is
// nothing new: who says nothing about the origin does not deny it.
func (s *staged) belongingTo(o attachment.Origin) *staged {
	if o == (attachment.Origin{}) || o == s.Origin {
		return s
	}
	told := *s
	told.Origin = o
	return &told
}

// New returns a layer with the volumes of this boot that its records tell of.
func New(ctx context.Context, e engine, l *ledger.Ledger, o Options) (*Layer, error) {
	if o.PollInterval == 0 {
		o.PollInterval = 500 * time.Millisecond
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Publish == nil {
		o.Publish = func(*Snapshot) {}
	}
	s, err := openStore(o.Dir, e.BootID())
	if err != nil {
		return nil, err
	}
	volumes, err := s.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("volume records: %w", err)
	}
	maintained, err := s.loadMaintenance(ctx)
	if err != nil {
		return nil, fmt.Errorf("maintenance on record: %w", err)
	}
	background, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	return &Layer{
		engine: e, ledger: l, store: s, poll: o.PollInterval, now: o.Clock, publish: o.Publish, keep: o.KeepLedger,
		volumes: volumes, maintained: maintained, attempts: map[way]*attempt{}, pulled: map[nvme.NQN]bool{}, timeouts: map[string]time.Time{}, probes: probes{last: map[string]*Probe{}}, doubts: map[string]doubt{}, benched: benched{},
		lost: map[way]time.Time{}, inquiries: map[directory]*inquiry{}, looked: make(chan struct{}),
		hint: make(chan struct{}, 1), litter: make(chan struct{}, 1), background: background, stop: stop,
	}, nil
}

// Run observes until ctx ends, then gives up what is being connected.
func (l *Layer) Run(ctx context.Context) error {
	log := klog.FromContext(ctx)
	if err := l.adopt(ctx); err != nil {
		return err
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { l.tidy(ctx) })
	beside.Go(func() { l.probeIdle(ctx) })
	beside.Go(func() {
		if err := l.engine.Hints(ctx, l.lookSoon); err != nil {
			log.Error(err, "No hints from the kernel; polling alone finds changes", "interval", l.poll)
		}
	})
	tick, daily := time.NewTicker(l.poll), time.NewTicker(24*time.Hour)
	defer tick.Stop()
	defer daily.Stop()
	l.expire(ctx)
	for {
		if err := l.look(ctx); err != nil && ctx.Err() == nil {
			log.Error(err, "Observation failed; the last one stands")
		}
		select {
		case <-tick.C:
		case <-l.hint:
		case <-daily.C:
			l.expire(ctx)
		case <-ctx.Done():
			l.stop(context.Cause(ctx))
			return nil
		}
	}
}

// expire removes what the ledger knows of volumes that left long ago.
func (l *Layer) expire(ctx context.Context) {
	if l.keep == 0 {
		return
	}
	l.mu.Lock()
	used := map[ledger.Key]bool{}
	for _, v := range l.volumes {
		used[volumeKey(v)], used[ledger.Key{Subsystem: v.SubsystemNQN}] = true, true
	}
	l.mu.Unlock()
	if err := l.ledger.Expire(ctx, l.now(), l.keep, func(k ledger.Key) bool { return used[k] }); err != nil {
		klog.FromContext(ctx).Error(err, "Old ledgers stay")
	}
}

// Snapshot returns the newest snapshot, nil before the first.
func (l *Layer) Snapshot() *Snapshot { return l.snapshot.Load() }

// stalled is the age of the last observation at which observing counts as
// stuck. A scan waits for nothing, so this means a bug or a hung kernel.
const stalled = 2 * time.Minute

// Observing returns an error if the layer has stopped observing. Before the
// first observation it has not stopped.
func (l *Layer) Observing() error {
	s := l.snapshot.Load()
	if s == nil {
		return nil
	}
	if age := l.now().Sub(s.At); age > stalled {
		return fmt.Errorf("the last observation of the paths is %s old", age.Round(time.Second))
	}
	return nil
}

// lookSoon asks for an observation without waiting for it.
func (l *Layer) lookSoon() { ask(l.hint) }

func ask(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is asked for already
	}
}

// locks are mutexes by name that can be waited for with a context.
type locks struct {
	mu   sync.Mutex // guards held
	held map[nvme.NQN]chan struct{}
}

// lock waits until it has the named lock and returns what gives it back.
func (k *locks) lock(ctx context.Context, name nvme.NQN) (unlock func(), err error) {
	for {
		k.mu.Lock()
		busy, held := k.held[name]
		if !held {
			if k.held == nil {
				k.held = map[nvme.NQN]chan struct{}{}
			}
			mine := make(chan struct{})
			k.held[name] = mine
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				defer k.mu.Unlock()
				delete(k.held, name)
				close(mine)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another volume of %s: %w", name, context.Cause(ctx))
		}
	}
}
