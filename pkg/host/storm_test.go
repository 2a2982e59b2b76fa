package host

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

// TestStorm disturbs a path in all ways and at random times while many write to
// it. Each repeats a write until it succeeds, and writes something else only when
// none of its writes is in doubt any more: then what was written is there, and
// stays there.
func TestStorm(t *testing.T) {
	const submitters, disturbances, size = 16, 25, 20 << 10 // beyond the capsule
	tg := startTarget(t, targetConfig())
	cfg := hostConfig(t, tg)
	cfg.IOQueues, cfg.KeepAlive, cfg.AdminTimeout = 2, 100*time.Millisecond, 200*time.Millisecond
	cfg.ReconnectDelay = 20 * time.Millisecond
	cfg.Digests = nvmetcp.HeaderDigest | nvmetcp.DataDigest
	c := connect(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	var answered, lost atomic.Int64
	for i := range submitters {
		all.Go(func() {
			start, got := uint64(i*size/blockSize), make([]byte, size)
			for round := 0; ctx.Err() == nil; round++ {
				want := targettest.Pattern(i+round, size)
				doubt := repeat(ctx, t, c, rw(nvmetcp.Write, start, want), uint(i), &answered, &lost)
				<-time.After(time.Until(doubt))
				repeat(ctx, t, c, rw(nvmetcp.Read, start, got), uint(i+round), &answered, &lost)
				if ctx.Err() != nil {
					return // it may have given up
				}
				targettest.WantBytes(t, fmt.Sprintf("submitter %d, round %d", i, round), got, want)
			}
		})
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range disturbances {
		disturb(t, tg, c, random)
		before := answered.Load()
		targettest.Until(t, "I/O to go on", func() bool { return c.State() == nvme.StateLive && answered.Load() > before+submitters })
	}
	if lost.Load() == 0 || c.Counters()[nvme.Resets] < disturbances/2 {
		t.Errorf("%d commands lost and counters %v: no storm", lost.Load(), c.Counters())
	}
	t.Logf("%d commands answered, %d lost, counters %v", answered.Load(), lost.Load(), c.Counters())
}

// repeat submits a request until the controller answers, and returns until when
// one that it has not answered is in doubt.
func repeat(ctx context.Context, t *testing.T, c *Controller, r *Request, hint uint, answered, lost *atomic.Int64) (doubt time.Time) {
	for {
		<-begin(c, r, hint)
		switch s := r.Completion.Status; {
		case s == nvme.StatusSuccess:
			answered.Add(1)
			return doubt
		case s == nvme.StatusHostAborted && !r.InDoubtUntil.IsZero():
			lost.Add(1)
			doubt = r.InDoubtUntil
		case s == nvme.StatusHostPathError && r.InDoubtUntil.IsZero():
			select { // and ask again
			case <-ctx.Done():
				return doubt
			case <-time.After(time.Millisecond):
			}
		default:
			t.Errorf("status %s, in doubt until %s", s, r.InDoubtUntil)
			return doubt
		}
	}
}

// disturb does something to a path, and undoes it.
func disturb(t *testing.T, tg *target.Target, c *Controller, random *rand.Rand) {
	var err error
	switch random.IntN(5) {
	case 0:
		c.Reset()
	case 1:
		if err = tg.Cut(1); err == nil {
			err = tg.Repair(1)
		}
	case 2:
		_ = tg.Drop(1, random.IntN(3)) // it may just not have that queue
	case 3:
		if err = tg.BlackHole(1, target.AllQueues); err == nil {
			resets := c.Counters()[nvme.Resets]
			targettest.Until(t, "the silence to be noticed", func() bool {
				return c.State() != nvme.StateLive || c.Counters()[nvme.Resets] > resets
			})
			err = tg.Restore(1, target.AllQueues)
		}
	case 4:
		_, err = tg.Inject(target.Fault{Commands: target.AnyIO, Count: 3, Drop: true})
	}
	if err != nil {
		t.Error(err)
	}
}
