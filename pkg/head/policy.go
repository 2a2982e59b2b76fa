package head

import "github.com/braid-csi/braid/pkg/nvme"

// rank is what a path is good for.
type rank int32

const (
	unusable rank = iota
	nonOptimized
	optimized
)

// rankOf is the rank of a path in these states. Pending says that its ANA state
// is to be read again before it is believed.
func rankOf(c nvme.ControllerState, a nvme.ANAState, pending bool) rank {
	switch {
	case pending || !nvme.Usable(c, a):
		return unusable
	case a == nvme.ANANonOptimized:
		return nonOptimized
	}
	return optimized
}

// choose picks a path for a request, nil if none is usable. An optimized path
// goes before a non-optimized one; among equals the policy decides, and then
// the order of the paths.
//
// current is the path that was used last, and matters for round-robin. left is
// the path that the request has just failed over from: unlike Linux, which may
// pick it again at once, it is taken only if there is no other.
func choose(policy nvme.IOPolicy, paths []*Path, current, left *Path, node int) *Path {
	first := 0
	if policy == nvme.IOPolicyRoundRobin {
		for i, p := range paths {
			if p == current {
				first = i + 1
			}
		}
	}
	var best *Path
	var bestRank rank
	var bestCost int64
	for i := range paths {
		p := paths[(first+i)%len(paths)]
		r := rank(p.rank.Load())
		if r == unusable {
			continue
		}
		c := p.cost(policy, node)
		switch {
		case best == nil, best == left:
		case p == left, r < bestRank, r == bestRank && c >= bestCost:
			continue
		}
		best, bestRank, bestCost = p, r, c
	}
	return best
}

// cost is what the policy compares: the least wins.
func (p *Path) cost(policy nvme.IOPolicy, node int) int64 {
	switch {
	case policy == nvme.IOPolicyQueueDepth:
		return p.inFlight.Load()
	case policy == nvme.IOPolicyNUMA && p.node != node:
		return 1
	}
	return 0
}
