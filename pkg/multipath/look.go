package multipath

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// look observes once: the ledger learns the counters, everybody gets a new
// snapshot, and what is missing is connected.
func (l *Layer) look(ctx context.Context) error {
	l.lookMu.Lock()
	defer l.lookMu.Unlock()
	return l.lookLocked(ctx)
}

// lookLocked is look for a caller that holds the look lock.
func (l *Layer) lookLocked(ctx context.Context) error {
	obs, err := l.engine.Observe(ctx)
	if err != nil {
		return err
	}
	maintained := l.elapse(ctx)
	volumes, failed := l.state()
	out := l.offBench()
	// A ledger that cannot be written must neither blind health nor keep a
	// volume from being staged or released.
	l.complain(ctx, l.sample(ctx, volumes, obs))
	snap := &Snapshot{At: obs.At}
	for _, v := range volumes {
		if v.releasing { // its paths go because they are meant to
			continue
		}
		l.learnSources(ctx, v, obs)
		set := merge(v, obs, l.history(v), failed[v.SubsystemNQN])
		for i := range set.Paths {
			p := &set.Paths[i]
			p.Maintenance = maintenanceOf(maintained, p.Address)
			p.BenchedUntil = out[way{v.SubsystemNQN, p.Address}]
		}
		l.probed(&set, obs.Subsystem(v.SubsystemNQN))
		l.inquired(&set, v)
		snap.PathSets = append(snap.PathSets, set)
	}
	l.show(obs, snap)
	l.connectMissing(ctx, obs)
	l.inquire(ctx, volumes, snap)
	l.setTimeouts(ctx, volumes, obs)
	return nil
}

// complain logs what is wrong with the ledger, once until it changes. Called
// with the look lock held.
func (l *Layer) complain(ctx context.Context, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != l.complaint && err != nil {
		klog.FromContext(ctx).Error(err, "The ledger is not up to date; health goes on without it")
	}
	l.complaint = text
}

// state copies the volumes, in the order of their IDs, and why connecting
// failed where it did.
func (l *Layer) state() ([]*staged, map[nvme.NQN]map[nvme.TransportID]error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var volumes []*staged
	for _, v := range l.volumes {
		c := *v
		volumes = append(volumes, &c)
	}
	slices.SortFunc(volumes, func(a, b *staged) int { return strings.Compare(a.ID, b.ID) })
	failed := map[nvme.NQN]map[nvme.TransportID]error{}
	for w, a := range l.attempts {
		if a.last == nil {
			continue
		}
		if failed[w.nqn] == nil {
			failed[w.nqn] = map[nvme.TransportID]error{}
		}
		failed[w.nqn][w.address] = a.last
	}
	return volumes, failed
}

// show makes a snapshot the newest and wakes those who wait for one.
func (l *Layer) show(obs *Observation, snap *Snapshot) {
	l.seen.Store(obs)
	l.snapshot.Store(snap)
	l.publish(snap)
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.looked)
	l.looked = make(chan struct{})
}

// nextLook returns a channel that is closed with the next snapshot.
func (l *Layer) nextLook() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.looked
}

// history returns what the ledger knows about a volume.
func (l *Layer) history(v *staged) history {
	key := volumeKey(v)
	h := history{paths: l.ledger.Records(key), controllers: l.ledger.ControllerRecords(key)}
	if resets := l.ledger.Resets(key); len(resets) > 0 {
		h.lastReset = &resets[len(resets)-1]
	}
	return h
}

// sample enters what was seen of the staged volumes into the ledger.
func (l *Layer) sample(ctx context.Context, volumes []*staged, obs *Observation) error {
	before := l.snapshot.Load()
	var errs []error
	done := map[ledger.Key]bool{} // two volumes may be one namespace
	for _, v := range volumes {
		key := volumeKey(v)
		if done[key] {
			continue
		}
		done[key] = true
		var was *PathSet
		if before != nil {
			was = before.PathSet(v.ID)
		}
		// What ended first: a record goes on to a path's new life.
		if last := ended(l.ledger.Records(key), obs); len(last) > 0 {
			errs = append(errs, l.ledger.Observe(ctx, key, last))
		}
		errs = append(errs, l.ledger.Observe(ctx, key, samples(v, obs, was)))
		if key := (ledger.Key{Subsystem: v.SubsystemNQN}); !done[key] {
			done[key] = true
			errs = append(errs, l.ledger.Observe(ctx, key, controllerSamples(v, obs)))
		}
	}
	return errors.Join(errs...)
}

func volumeKey(v *staged) ledger.Key {
	return ledger.Key{Subsystem: v.SubsystemNQN, Namespace: v.Namespace}
}

// ended reads the last words about paths that are gone out of an observation:
// those that say more than is on record.
func ended(records map[string]ledger.Record, obs *Observation) map[string]ledger.Sample {
	out := map[string]ledger.Sample{}
	for key, r := range records {
		w := obs.Ended[r.Epoch]
		if w == nil {
			continue
		}
		s := ledger.Sample{At: obs.At, Epoch: r.Epoch, Source: r.Source, Exact: w.Exact}
		switch {
		case r.Source == nvme.SourceBPF && more(w, func(c nvme.Counter) uint64 { return r.Tallies[c].Raw }):
			s.Counters = w.Counters
		case r.Witness != nil && r.Witness.Epoch == w.Epoch && more(w, func(c nvme.Counter) uint64 { return r.Witness.Raw[c] }):
			s.Witness = w
		default:
			continue
		}
		out[key] = s
	}
	return out
}

// more tells whether a witness says more of any counter than is known.
func more(w *ledger.Witness, known func(nvme.Counter) uint64) bool {
	for c, n := range w.Counters {
		if n > known(c) {
			return true
		}
	}
	return false
}

// samples reads a volume's counters out of an observation, with the paths that
// were usable in the set before and are not now.
func samples(v *staged, obs *Observation, was *PathSet) map[string]ledger.Sample {
	s := obs.Subsystem(v.SubsystemNQN)
	head, _ := find(v, s)
	out := map[string]ledger.Sample{}
	for _, w := range pair(v.expected(), s) {
		sample, usable := ledger.Sample{At: obs.At}, false
		if w.controller != nil {
			if p := head.path(w.controller.Name); p != nil {
				usable = nvme.Usable(w.controller.State, p.ANAState)
				sample.Epoch, sample.Source, sample.Counters, sample.Exact = p.Epoch, p.Source, p.Counters, p.Exact
				sample.Witness = p.Witness
			}
		}
		sample.Down = !usable && wasUsable(was, w.key())
		out[w.key()] = sample
	}
	if head != nil {
		out[ledger.HeadKey] = kernelSample(obs.At, head.Epoch, head.Counters)
	}
	return out
}

func wasUsable(set *PathSet, key string) bool {
	if set == nil {
		return false
	}
	for i := range set.Paths {
		if set.Paths[i].Key == key {
			return set.Paths[i].Usable()
		}
	}
	return false
}

// controllerSamples reads the counters that the volumes of a subsystem share.
func controllerSamples(v *staged, obs *Observation) map[string]ledger.Sample {
	out := map[string]ledger.Sample{}
	for _, w := range pair(v.expected(), obs.Subsystem(v.SubsystemNQN)) {
		switch c := w.controller; {
		case c == nil:
		case c.Beside != nil:
			out[w.key()] = ledger.Sample{At: obs.At, Epoch: c.Beside.Epoch, Source: nvme.SourceBPF, Counters: c.Beside.Counters, Exact: c.Beside.Exact}
		default:
			out[w.key()] = kernelSample(obs.At, c.Epoch, c.Counters)
		}
	}
	return out
}

func kernelSample(at time.Time, epoch string, c nvme.Counters) ledger.Sample {
	source := nvme.SourceUnsupported
	if c != nil {
		source = nvme.SourceKernelAttribute
	}
	return ledger.Sample{At: at, Epoch: epoch, Source: source, Counters: c, Exact: true}
}
