package head

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/braid-csi/braid/pkg/nvme"
)

func TestRankOf(t *testing.T) {
	for _, tc := range []struct {
		controller nvme.ControllerState
		ana        nvme.ANAState
		pending    bool
		want       rank
	}{
		{nvme.StateLive, nvme.ANANone, false, optimized},
		{nvme.StateLive, nvme.ANAOptimized, false, optimized},
		{nvme.StateLive, nvme.ANANonOptimized, false, nonOptimized},
		{nvme.StateLive, nvme.ANAInaccessible, false, unusable},
		{nvme.StateLive, nvme.ANAPersistentLoss, false, unusable},
		{nvme.StateLive, nvme.ANAChange, false, unusable},
		{nvme.StateLive, nvme.ANAUnknown, false, unusable},
		{nvme.StateLive, nvme.ANAOptimized, true, unusable},
		{nvme.StateConnecting, nvme.ANAOptimized, false, unusable},
		{nvme.StateDeleting, nvme.ANAOptimized, false, unusable},
	} {
		if got := rankOf(tc.controller, tc.ana, tc.pending); got != tc.want {
			t.Errorf("rankOf(%s, %s, %t) = %d, want %d", tc.controller, tc.ana, tc.pending, got, tc.want)
		}
	}
}

// way is a path as selection sees it.
type way struct {
	rank  rank
	node  int
	depth int64
}

func ways(ws []way) []*Path {
	var paths []*Path
	for _, w := range ws {
		p := &Path{node: w.node, inFlight: new(atomic.Int64)}
		p.rank.Store(int32(w.rank))
		p.inFlight.Store(w.depth)
		paths = append(paths, p)
	}
	return paths
}

func TestChoose(t *testing.T) {
	const none = -1
	for _, tc := range []struct {
		name                      string
		policy                    nvme.IOPolicy
		ways                      []way
		current, left, node, want int
	}{
		{"no path", nvme.IOPolicyNUMA, nil, none, none, 0, none},
		{"none usable", nvme.IOPolicyNUMA, []way{{unusable, 0, 0}, {unusable, 0, 0}}, none, none, 0, none},
		{"optimized first", nvme.IOPolicyNUMA, []way{{nonOptimized, 0, 0}, {optimized, 1, 0}}, none, none, 0, 1},
		{"non-optimized rather than none", nvme.IOPolicyNUMA, []way{{unusable, 0, 0}, {nonOptimized, 1, 0}}, none, none, 0, 1},
		{"node of the submitter", nvme.IOPolicyNUMA, []way{{optimized, 0, 0}, {optimized, 1, 0}}, 0, none, 1, 1},
		{"no such node", nvme.IOPolicyNUMA, []way{{optimized, 0, 0}, {optimized, 1, 0}}, none, none, 2, 0},
		{"numa stays", nvme.IOPolicyNUMA, []way{{optimized, 0, 0}, {optimized, 0, 0}}, 0, none, 0, 0},
		{"round-robin from the start", nvme.IOPolicyRoundRobin, []way{{optimized, 0, 0}, {optimized, 0, 0}}, none, none, 0, 0},
		{"round-robin goes on", nvme.IOPolicyRoundRobin, []way{{optimized, 0, 0}, {optimized, 0, 0}}, 0, none, 0, 1},
		{"round-robin comes round", nvme.IOPolicyRoundRobin, []way{{optimized, 0, 0}, {optimized, 0, 0}}, 1, none, 0, 0},
		{"round-robin skips", nvme.IOPolicyRoundRobin, []way{{optimized, 0, 0}, {nonOptimized, 0, 0}, {unusable, 0, 0}, {optimized, 0, 0}}, 0, none, 0, 3},
		{"round-robin stays with the only one", nvme.IOPolicyRoundRobin, []way{{nonOptimized, 0, 0}, {optimized, 0, 0}}, 1, none, 0, 1},
		{"round-robin among non-optimized", nvme.IOPolicyRoundRobin, []way{{nonOptimized, 0, 0}, {nonOptimized, 0, 0}}, 0, none, 0, 1},
		{"queue-depth", nvme.IOPolicyQueueDepth, []way{{optimized, 0, 9}, {optimized, 1, 3}, {optimized, 0, 4}}, none, none, 0, 1},
		{"queue-depth, optimized first", nvme.IOPolicyQueueDepth, []way{{nonOptimized, 0, 0}, {optimized, 0, 9}}, none, none, 0, 1},
		{"queue-depth, equal", nvme.IOPolicyQueueDepth, []way{{optimized, 0, 3}, {optimized, 0, 3}}, none, none, 0, 0},
		{"not the path it left", nvme.IOPolicyNUMA, []way{{optimized, 0, 0}, {optimized, 1, 0}}, 0, 0, 0, 1},
		{"not the path it left, even if the other is not optimized", nvme.IOPolicyNUMA, []way{{optimized, 0, 0}, {nonOptimized, 1, 0}}, 0, 0, 0, 1},
		{"not the path it left, even if it comes later and is optimized", nvme.IOPolicyNUMA, []way{{nonOptimized, 1, 0}, {optimized, 0, 0}}, none, 1, 0, 0},
		{"the path it left is better than none", nvme.IOPolicyNUMA, []way{{unusable, 0, 0}, {nonOptimized, 0, 0}}, none, 1, 0, 1},
		{"the path it left comes first", nvme.IOPolicyRoundRobin, []way{{optimized, 0, 0}, {optimized, 0, 0}, {optimized, 0, 0}}, 2, 0, 0, 1},
	} {
		t.Run(fmt.Sprintf("%s, %s", tc.policy, tc.name), func(t *testing.T) {
			paths := ways(tc.ways)
			at := func(i int) *Path {
				if i == none {
					return nil
				}
				return paths[i]
			}
			got := choose(tc.policy, paths, at(tc.current), at(tc.left), tc.node)
			if got != at(tc.want) {
				t.Errorf("chose path %d of %+v, want %d", slices.Index(paths, got), tc.ways, tc.want)
			}
		})
	}
}
