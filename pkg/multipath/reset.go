package multipath

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// Reset zeroes the counters of a volume's head and paths, in the kernel where
// it has any and in the ledger's count since the last reset, and records who
// asked for it, why, when and what stood there before; the time is its own.
// Lifetime totals stay. Controllers' counters are shared with other volumes:
// they are re-based in the ledger and not written. Where nothing counts there is
// nothing to reset: ErrUnsupported.
//
// The look lock is held throughout, so that no sample falls between intent,
// write and record. Should Braid die in between, the ledger finds out at the
// next look what became of it.
//
// A request that has a name is carried out once: asking again returns the
// record of what was done.
func (l *Layer) Reset(ctx context.Context, volumeID string, req ledger.ResetRequest) (ledger.Reset, error) {
	l.lookMu.Lock()
	defer l.lookMu.Unlock()
	if err := l.lookLocked(ctx); err != nil {
		return ledger.Reset{}, err
	}
	if done, ok := l.ledger.ResetOf(req.Request); ok {
		return done, nil
	}
	l.mu.Lock()
	v := l.volumes[volumeID]
	l.mu.Unlock()
	if v == nil {
		return ledger.Reset{}, fmt.Errorf("%w: volume %s", ErrNotStaged, volumeID)
	}
	s := l.seen.Load().Subsystem(v.SubsystemNQN)
	head, _ := find(v, s)
	if head == nil {
		return ledger.Reset{}, fmt.Errorf("%w: volume %s has no device whose counters could be reset", ErrConflict, volumeID)
	}
	if !counted(head) {
		return ledger.Reset{}, fmt.Errorf("%w: nothing counts the failovers of volume %s", ErrUnsupported, volumeID)
	}
	key := volumeKey(v)
	req.At = l.now().UTC()
	id, err := l.ledger.BeginReset(ctx, key, req)
	if err != nil {
		return ledger.Reset{}, err
	}
	writeErr := l.engine.ResetCounters(s.Name, *head)
	obs, err := l.engine.Observe(ctx)
	if err := errors.Join(writeErr, err); err != nil {
		// Some counters may be zero by now: a look judges each by what it
		// reads, this one if it can.
		err = errors.Join(err, l.ledger.AbandonReset(ctx, key, id), l.lookLocked(ctx))
		return ledger.Reset{}, fmt.Errorf("reset of volume %s: %w", volumeID, err)
	}
	reset, err := l.ledger.CompleteReset(ctx, key, id, samples(v, obs, nil))
	if err != nil {
		return ledger.Reset{}, err
	}
	return reset, l.lookLocked(ctx)
}

// ResetOf returns the recorded reset that a request of that name led to, also
// of a volume that has left the node since.
func (l *Layer) ResetOf(request string) (ledger.Reset, bool) { return l.ledger.ResetOf(request) }

// counted tells whether anything counts on one of the head's paths.
func counted(h *Head) bool {
	return slices.ContainsFunc(h.Paths, func(p HeadPath) bool { return p.Source != nvme.SourceUnsupported })
}

// Resets returns the recorded resets of a volume, oldest first.
func (l *Layer) Resets(volumeID string) ([]ledger.Reset, error) {
	l.mu.Lock()
	v := l.volumes[volumeID]
	l.mu.Unlock()
	if v == nil {
		return nil, fmt.Errorf("%w: volume %s", ErrNotStaged, volumeID)
	}
	return l.ledger.Resets(volumeKey(v)), nil
}
