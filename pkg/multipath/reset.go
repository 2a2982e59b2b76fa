package multipath

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// Reset zeroes the counters of a volume's head and paths, in the kernel and
// in the ledger's count since the last reset, and records who asked for it,
// why, when and what stood there before. Lifetime totals stay. Controllers'
// counters are shared with other volumes: they are re-based in the ledger and
// not written. Where nothing counts there is nothing to reset: ErrUnsupported.
//
// The look lock is held throughout, so that no sample falls between intent,
// write and record. Should Braid die in between, the ledger finds out at the
// next look what became of it.
func (l *Layer) Reset(ctx context.Context, volumeID, by, reason string) (ledger.Reset, error) {
	l.lookMu.Lock()
	defer l.lookMu.Unlock()
	if err := l.lookLocked(ctx); err != nil {
		return ledger.Reset{}, err
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
	id, err := l.ledger.BeginReset(ctx, key, ledger.ResetRequest{By: by, Reason: reason, At: l.now().UTC()})
	if err != nil {
		return ledger.Reset{}, err
	}
	writeErr := l.engine.ResetCounters(s.Name, *head)
	obs, err := l.engine.Observe(ctx)
	if err := errors.Join(writeErr, err); err != nil {
		// Some counters may be zero by now: the next look judges each by what
		// it reads.
		err = errors.Join(err, l.ledger.AbandonReset(ctx, key, id))
		return ledger.Reset{}, fmt.Errorf("reset of volume %s: %w", volumeID, err)
	}
	reset, err := l.ledger.CompleteReset(ctx, key, id, samples(v, obs, nil))
	if err != nil {
		return ledger.Reset{}, err
	}
	return reset, l.lookLocked(ctx)
}

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
