package multipath

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
)

// knows says what is known of the controller of a way.
func (f *fakeNode) knows(of nvme.TransportID, e Evidence) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.evidence = map[nvme.TransportID]Evidence{of: e}
}

func (f *fakeNode) Examine(_ context.Context, s *Subsystem) (map[string]Evidence, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	evidence := map[string]Evidence{}
	for _, c := range s.Controllers {
		if e, ok := f.evidence[c.Address]; ok {
			evidence[c.Name] = e
		}
	}
	return evidence, nil
}

func (f *fakeNode) Stir(_ context.Context, c Controller, _ *Subsystem) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun = append(f.begun, "stir "+c.Address.String())
	return nil
}

func (f *fakeNode) Read(_ context.Context, h *Head) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun = append(f.begun, "read "+h.Name)
	return nil
}

// TestProve: when requests hang, the connections are tried once, and a namespace
// that waits is read once for each of its paths; later ones are new ones, if they
// are not too soon.
func TestProve(t *testing.T) {
	stir, read := "stir "+way1.String(), "read nvme0n1"
	type call struct {
		after time.Duration // the one before
		hangs int           // since when, in seconds; 0: nothing does
	}
	for name, tc := range map[string]struct {
		inFlight int
		others   bool
		calls    []call
		want     []string
	}{
		"once":                        {12, false, []call{{0, 1}}, []string{stir, read}},
		"as often as there are paths": {12, false, []call{{0, 1}, {0, 1}, {0, 1}}, []string{stir, read, read}},
		"others complete":             {12, true, []call{{0, 1}, {0, 1}}, []string{stir}},
		"later ones":                  {12, true, []call{{0, 1}, {askPause, 2}}, []string{stir, stir}},
		"later ones, too soon":        {12, true, []call{{0, 1}, {askPause - 1, 2}}, []string{stir}},
		"not known what is in flight": {-1, false, []call{{0, 1}}, []string{stir, read}},
		"waits for nothing":           {0, false, []call{{0, 1}}, []string{stir}},
		"nothing hangs":               {12, false, []call{{0, 0}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			node := newFakeNode(uuidA)
			withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
				node.staged(ctx, t, l)
				time.Sleep(time.Second) //nolint:forbidigo // the bubble's time: for the second path
				node.mu.Lock()
				in(nvme.StateLive, tc.inFlight)(node)
				node.mu.Unlock()
				began := time.Now()
				for _, c := range tc.calls {
					time.Sleep(c.after) //nolint:forbidigo // the bubble's time
					if err := l.look(ctx); err != nil {
						t.Fatal(err)
					}
					e := Evidence{OthersComplete: tc.others}
					if c.hangs > 0 {
						e.HangsSince = began.Add(time.Duration(c.hangs) * time.Second)
					}
					node.knows(way1, e)
					if err := l.Prove(ctx, "a", way1.String()); err != nil {
						t.Fatal(err)
					}
				}
				node.mu.Lock()
				defer node.mu.Unlock()
				if !slices.Equal(node.begun, tc.want) {
					t.Errorf("asked: %q, want %q", node.begun, tc.want)
				}
			})
		})
	}
}
