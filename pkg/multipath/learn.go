package multipath

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

// logTimeout bounds the asking of one discovery controller, and of those that it
// refers to.
const logTimeout = 15 * time.Second

// entry is an address that a discovery controller lists.
type entry struct{ address, from nvme.TransportID }

// ask reads the logs of discovery controllers and lets the volumes learn of them.
func (l *Layer) ask(ctx context.Context, d directory, q *inquiry, controllers []nvme.TransportID) {
	log, err := l.readLogs(ctx, d.nqn, controllers)
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if learnErr := l.learn(ctx, d, log, err == nil); learnErr != nil {
		err = learnErr
	}
	q.asked++
	q.running, q.problem, q.next = false, err, l.now().Add(backoff(q.asked, firstInquiry, lastInquiry))
	if err != nil && q.asked == 1 && len(log) == 0 {
		klog.FromContext(ctx).Info("Discovery is of no help; asking again in the background", "subsystemNQN", d.nqn, "err", err)
	}
	l.lookSoon()
}

// readLogs returns what discovery controllers list of a subsystem, one after the
// other, and why it may not be all.
func (l *Layer) readLogs(ctx context.Context, nqn nvme.NQN, controllers []nvme.TransportID) (log []entry, err error) {
	for _, from := range controllers {
		limited, cancel := context.WithTimeout(ctx, logTimeout)
		listed, readErr := l.engine.Discover(limited, from, nqn)
		cancel()
		err = errors.Join(err, readErr)
		for _, address := range listed {
			if !slices.ContainsFunc(log, func(e entry) bool { return e.address == address }) {
				log = append(log, entry{address, from})
			}
		}
	}
	return log, err
}

// learn has the volumes draw their conclusions from discovery logs, of which none
// is missing if they are complete. Called with the state lock held.
func (l *Layer) learn(ctx context.Context, d directory, log []entry, complete bool) (err error) {
	for id, v := range l.volumes {
		set := l.snapshot.Load().PathSet(id)
		if v.releasing || set == nil || directoryOf(&v.Volume) != d {
			continue
		}
		w := whereabouts{asked: v.Addresses, expected: v.expected(), lost: l.overdue(v, set), leftOut: v.leftOut}
		for _, e := range log {
			w.listed = append(w.listed, e.address)
		}
		m, refused := w.moved()
		told := *v
		switch {
		case refused != nil:
			err = fmt.Errorf("discovery log refused: %w", refused)
			continue
		case len(m.came) > 0:
			told.moved = v.after(m, log, l.now().UTC())
		case v.leftOut == nil && complete && expectedUsable(set) == set.Expected:
			told.leftOut = w.beside()
		default:
			continue
		}
		// On disk first: nothing is connected that the next run would not know of.
		if failed := l.store.save(&told); failed != nil {
			err = fmt.Errorf("record volume: %w", failed)
			continue
		}
		l.volumes[id] = &told
		if len(m.came) > 0 {
			klog.FromContext(ctx).Info("Address moved", "volumeID", id, "subsystemNQN", v.SubsystemNQN, "gone", fmt.Sprint(m.gone), "listed", fmt.Sprint(m.came))
		}
	}
	return err
}

// beside returns what is listed and not expected.
func (w whereabouts) beside() []nvme.TransportID {
	others := []nvme.TransportID{} // none is not nil
	for _, a := range w.listed {
		if !slices.Contains(w.expected, a) {
			others = append(others, a)
		}
	}
	return others
}

// after returns what to expect after a move.
func (s *staged) after(m move, log []entry, at time.Time) []expectation {
	var all []expectation
	for _, address := range m.expected {
		e := expectation{Address: address, Learned: s.learned(address)}
		if slices.Contains(m.came, address) && !slices.Contains(s.Addresses, address) {
			i := slices.IndexFunc(log, func(e entry) bool { return e.address == address })
			e.Learned = &Learned{From: log[i].from, At: at, InPlaceOf: m.gone}
		}
		all = append(all, e)
	}
	return all
}
