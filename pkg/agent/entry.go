package agent

import (
	"slices"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
)

const (
	// maxUntold is how many happenings of a path set wait for the API server.
	maxUntold = 32
	// eventBurst happenings of a path set are told as they come, and one more
	// every eventInterval, as client-go's recorder has it for an object.
	eventBurst    = 25
	eventInterval = time.Minute
	// firstRetry and lastRetry bound the pauses after an answer that says that
	// a path set cannot be written.
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
)

// presence is whether the API has a path set.
type presence int

const (
	absent presence = iota
	// unsure: a request was made, and what came of it is not known.
	unsure
	present
)

// content is a path set without its name.
type content struct {
	spec   v1alpha1.NVMePathSetSpec
	status v1alpha1.NVMePathSetStatus
}

// entry is a path set: what the API shall have, and what it has.
//
//	           the volume shows up              applied
//	(no entry) -------------------> absent ----------------> present
//	     ^                            ^  somebody deleted it    |
//	     |                            +-------------------------+
//	     +------------- deleted <-------------------------------+
//	                               the volume has left the node
//
// Between present and either of the others it is unsure while a request is on
// its way. Only what is present counts as reported.
type entry struct {
	name string
	// want is what the API shall have; nil: nothing, the volume is gone.
	want *content
	// have is what it has, as far as it is known and was written or read.
	have     content
	presence presence
	uid      types.UID
	// orphan: it was there at the start, for a volume that is not staged.
	orphan bool

	// heard is what the cluster finds wrong. The findings have it too, but not
	// yet when the agent has just started.
	heard  []health.Finding
	told   []health.Reason // the findings that were told of
	untold []happening
	tells  *rate.Limiter

	pace      pace
	notBefore time.Time // of many that changed at once, not all are written at once
	why       error     // it was refused; nil: it was not
	retry     time.Duration
	retryAt   time.Time
	scheduled time.Time // when it is looked at next; zero: it is not known
}

func newEntry(name string) *entry {
	return &entry{name: name, pace: newPace(), tells: rate.NewLimiter(rate.Every(eventInterval), eventBurst)}
}

// see takes up what is seen of the path set at the time at.
func (e *entry) see(node, engine string, set *multipath.PathSet, found []health.Finding, at time.Time) {
	before := e.have.status
	if e.want != nil {
		before = e.want.status
	} else {
		e.told = append(e.told, toldBy(before.Conditions, found)...)
	}
	next := &content{specOf(node, set), statusOf(before, engine, set, found, at)}
	for _, h := range append(moves(&before, set), happenings(e.told, found, &before, &next.status, at)...) {
		if e.tells.AllowN(at, 1) {
			e.untold = append(e.untold, h)
		}
	}
	e.untold = e.untold[max(0, len(e.untold)-maxUntold):]
	e.told, e.want, e.orphan = reasonsOf(found), next, false
}

// with adds what was heard to findings.
func (e *entry) with(found []health.Finding) []health.Finding {
	if len(e.heard) == 0 {
		return found
	}
	return health.Guard(slices.Concat(found, e.heard))
}

// gone notes that the volume is not on the node any more.
func (e *entry) gone() { e.want, e.told, e.untold = nil, nil, nil }

// differs tells whether the API's spec is not the wanted one.
func (e *entry) differs() bool {
	return e.presence != present || !sameSpec(&e.have.spec, &e.want.spec)
}

// due returns when there is something to do, and whether there is.
func (e *entry) due(now time.Time) (time.Time, bool) {
	at := now
	switch {
	case e.want == nil:
		if e.presence == absent {
			return time.Time{}, false
		}
	case e.differs():
	default:
		c := changed(&e.have.status, &e.want.status)
		if c == nothing && len(e.untold) == 0 {
			return time.Time{}, false
		}
		if at = e.pace.due(c, now); c == state && e.notBefore.After(at) {
			at = e.notBefore
		}
	}
	if e.retryAt.After(at) {
		at = e.retryAt
	}
	return at, true
}

// did takes up what a job has done.
func (e *entry) did(j *job, now time.Time) {
	for _, h := range j.untold[:j.told] { // of which some may have been dropped meanwhile
		if len(e.untold) > 0 && e.untold[0] == h {
			e.untold = e.untold[1:]
		}
	}
	if j.want == nil {
		if j.err == nil {
			e.presence, e.have, e.uid = absent, content{}, ""
		}
		return
	}
	if j.spec {
		e.presence, e.have.spec, e.uid = present, j.want.spec, j.uid
	}
	if j.status {
		e.have.status = j.want.status
		e.pace.wrote(j.change, now)
	}
	if j.err == nil {
		e.why, e.retry, e.retryAt = nil, 0, time.Time{}
	}
}

// refused notes an answer that will be the same if asked again at once.
func (e *entry) refused(why error, now time.Time) {
	e.why = why
	e.retry = min(max(2*e.retry, firstRetry), lastRetry)
	e.retryAt = now.Add(e.retry)
}
