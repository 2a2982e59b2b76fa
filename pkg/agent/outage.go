package agent

import (
	"context"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

const (
	// firstPause and lastPause bound the pauses while the API server is away.
	firstPause = time.Second
	lastPause  = 15 * time.Second
	// complainAgain is for how long one kind of refusal is not logged again.
	complainAgain = 10 * time.Minute
)

// away tells whether an error says that the API server cannot answer now,
// whatever it is asked; else it has answered, and the answer is no.
func away(err error) bool {
	switch {
	case apierrors.IsServerTimeout(err), apierrors.IsTooManyRequests(err), apierrors.IsServiceUnavailable(err),
		apierrors.IsInternalError(err), apierrors.IsTimeout(err), apierrors.IsUnauthorized(err), apierrors.IsUnexpectedServerError(err):
		return true
	}
	return apierrors.ReasonForError(err) == metav1.StatusReasonUnknown
}

// outage is a time during which the API server is away. All that is to be
// written waits for the same moment to try again.
type outage struct {
	err   error // nil: there is none
	since time.Time
	pause time.Duration
	until time.Time
}

// began notes that a request got no answer, and returns how long to wait. It
// is logged once.
func (o *outage) began(ctx context.Context, err error, now time.Time) time.Duration {
	if o.err == nil {
		o.since = now
		klog.FromContext(ctx).Error(err, "Nothing can be reported to the API now; paths are looked after all the same, and it is tried again")
	}
	o.err = err
	if !now.Before(o.until) { // else another request of the same try
		o.pause = min(max(2*o.pause, firstPause), lastPause)
		// Not all nodes of a cluster at the same moment.
		o.until = now.Add(o.pause/2 + rand.N(o.pause/2))
	}
	return o.until.Sub(now)
}

// over notes that a request was answered.
func (o *outage) over(ctx context.Context, now time.Time) {
	if o.err != nil {
		klog.FromContext(ctx).Info("Reporting to the API again", "after", now.Sub(o.since).Round(time.Second))
	}
	*o = outage{}
}

// wait returns how long nothing shall be asked.
func (o *outage) wait(now time.Time) time.Duration { return max(0, o.until.Sub(now)) }

// refusals remembers which answers were logged, so that a thousand path sets
// that are refused for one reason are one line.
type refusals map[metav1.StatusReason]time.Time

func (r refusals) log(ctx context.Context, err error, now time.Time, message string, about ...any) {
	reason := apierrors.ReasonForError(err)
	if last, ok := r[reason]; ok && now.Sub(last) < complainAgain {
		return
	}
	r[reason] = now
	klog.FromContext(ctx).Error(err, message, about...)
}
