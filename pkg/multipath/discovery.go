package multipath

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

const (
	// lostFor is for how long a path has no connection before it is asked whether
	// its address has moved: most come back by themselves.
	lostFor = 10 * time.Second
	// The pause between two inquiries doubles from the first to the last.
	firstInquiry = 10 * time.Second
	lastInquiry  = 5 * time.Minute
)

// directory is where to ask about a subsystem. Volumes that name the same
// discovery controllers for it share what they answer.
type directory struct {
	nqn         nvme.NQN
	controllers string
}

func directoryOf(v *Volume) directory {
	return directory{v.SubsystemNQN, fmt.Sprint(v.Discovery)}
}

// inquiry is the asking of discovery controllers: running, or waiting to ask
// again.
//
//	                     a path is lost for a while, or it is not
//	                     known yet what is listed beside the paths
//	(none) ------------------------------------------------------> running
//	   ^                                                            |  ^
//	   +---- nothing is amiss, and that is known <---- waiting <----+  |
//	                                                      +------------+
type inquiry struct {
	running bool
	lost    int // how many paths of a volume it is about
	asked   int // how often, about these
	next    time.Time
	problem error // why the last one was of no use; nil: it was
}

// question is what there is to ask discovery controllers.
type question struct {
	controllers []nvme.TransportID
	lost        int
}

// inquire begins to ask what there is to ask.
func (l *Layer) inquire(ctx context.Context, volumes []*staged, snap *Snapshot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	questions := l.questions(volumes, snap)
	for d, q := range l.inquiries {
		if _, ok := questions[d]; !ok && !q.running {
			delete(l.inquiries, d)
		}
	}
	for d, about := range questions {
		q := l.inquiries[d]
		if q == nil {
			q = &inquiry{}
			l.inquiries[d] = q
		}
		if about.lost > q.lost { // of which nobody has heard yet
			q.asked, q.next = 0, time.Time{}
		}
		q.lost = about.lost
		if !q.running && !l.now().Before(q.next) {
			q.running = true
			go l.ask(klog.NewContext(l.background, klog.FromContext(ctx)), d, q, about.controllers)
		}
	}
}

// questions are what there is to ask about those volumes that have discovery
// controllers. Called with the state lock held.
func (l *Layer) questions(volumes []*staged, snap *Snapshot) map[directory]question {
	l.noteLost(volumes, snap)
	all := map[directory]question{}
	for _, v := range volumes {
		set := snap.PathSet(v.ID)
		if set == nil || len(v.Discovery) == 0 {
			continue
		}
		lost := len(l.overdue(v, set))
		if lost > 0 || v.leftOut == nil && expectedUsable(set) == set.Expected {
			d := directoryOf(&v.Volume)
			all[d] = question{v.Discovery, max(lost, all[d].lost)}
		}
	}
	return all
}

// noteLost keeps since when paths have been without a connection. One that is
// under maintenance is not lost. Called with the state lock held.
func (l *Layer) noteLost(volumes []*staged, snap *Snapshot) {
	lost := map[way]time.Time{}
	for _, v := range volumes {
		set := snap.PathSet(v.ID)
		if set == nil || len(v.Discovery) == 0 {
			continue
		}
		for i := range set.Paths {
			if p := &set.Paths[i]; p.lost() {
				w := way{v.SubsystemNQN, p.Address}
				lost[w] = l.now()
				if since, ok := l.lost[w]; ok {
					lost[w] = since
				}
			}
		}
	}
	l.lost = lost
}

// lost tells whether an expected path has no connection and should.
func (p *Path) lost() bool {
	return p.Expected && p.Maintenance == nil && p.BenchedUntil.IsZero() && (p.State == nvme.StateAbsent || p.State == nvme.StateConnecting)
}

// overdue are the addresses of a volume's paths that have been lost for too long.
// While it is being staged, and somebody waits for them, a failed attempt is enough.
// Called with the state lock held.
func (l *Layer) overdue(v *staged, set *PathSet) []nvme.TransportID {
	waitedFor := v.Head.Epoch == "" && expectedUsable(set) < v.MinPaths
	var lost []nvme.TransportID
	for i := range set.Paths {
		p := &set.Paths[i]
		since, ok := l.lost[way{v.SubsystemNQN, p.Address}]
		if ok && p.lost() && (l.now().Sub(since) >= lostFor || waitedFor && p.ConnectError != "") {
			lost = append(lost, p.Address)
		}
	}
	return lost
}

// inquired adds to the lost paths of a set why nobody can say whether they have
// moved.
func (l *Layer) inquired(set *PathSet, v *staged) {
	if len(v.Discovery) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.inquiries[directoryOf(&v.Volume)]
	if q == nil || q.problem == nil {
		return
	}
	problem := strings.ReplaceAll(q.problem.Error(), "\n", "; ") // of errors that were joined
	for i := range set.Paths {
		p := &set.Paths[i]
		switch {
		case !p.lost():
		case p.ConnectError == "":
			p.ConnectError = problem
		default:
			p.ConnectError += "; " + problem
		}
	}
}

// mayLearn tells whether discovery controllers have yet to say where a volume's
// paths are, or have just said it, which its path set does not show yet.
func (l *Layer) mayLearn(v Volume, set *PathSet) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	have, q := l.volumes[v.ID], l.inquiries[directoryOf(&v)]
	if len(v.Discovery) == 0 || have == nil {
		return false
	}
	for i, address := range have.expected() { // which come first in a set
		if i >= set.Expected || set.Paths[i].Address != address {
			return true
		}
	}
	return q == nil || q.running || q.asked == 0
}
