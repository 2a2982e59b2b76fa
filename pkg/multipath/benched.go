package multipath

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
)

// benched are the ways that are kept out of use until a time, whoever wants them.
// It is nowhere on record: a layer that is started anew connects them.
type benched map[way]time.Time

// Bench takes the controller of a volume's path down, which must be live and
// answer, and keeps its address from being connected to the subsystem for a while;
// a volume to which nothing else leads has it connected all the same. It is for a
// path that is so much worse than the others that I/O does better without it. See
// pull for what is never done.
func (l *Layer) Bench(ctx context.Context, volumeID, key string, rest time.Duration, permit Permit) error {
	return l.pull(ctx, "bench", volumeID, key, permit, func(s *Subsystem, c Controller) (func(context.Context) error, error) {
		if c.State != nvme.StateLive {
			return nil, fmt.Errorf("%w: %s is %s", ErrUnfit, c.Name, c.State)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, v := range l.volumes {
			for _, address := range v.expected() {
				if v.SubsystemNQN == s.NQN && address.Reaches(c.Address) {
					l.benched[way{s.NQN, address}] = l.now().Add(rest)
				}
			}
		}
		return l.disconnecting(c), nil
	})
}

// offBench ends what has had its time, and returns the ways that are still kept
// out of use.
func (l *Layer) offBench() benched {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.benched, func(_ way, until time.Time) bool { return !l.now().Before(until) })
	return maps.Clone(l.benched)
}
