package ledger

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/braid-csi/braid/pkg/nvme"
)

const (
	// ResetTimeout is how long a reset may be pending before whoever began it
	// is taken for dead and the next sample decides whether it happened.
	ResetTimeout = time.Minute

	maxResets  = 32
	maxBy      = 2048
	maxReason  = 1024
	maxRequest = 64
)

// ErrInvalid is wrapped by the error for a reset request that is refused.
var ErrInvalid = errors.New("invalid reset request")

// ResetRequest asks for a reset.
type ResetRequest struct {
	// By is who asks, Reason why: one line each, at most 2048 and 1024 bytes.
	By, Reason string
	// Request is the caller's own name for the request, by which ResetOf finds
	// what came of it: printable, at most 64 bytes; empty where nobody will ask.
	Request string
	At      time.Time
}

func (q ResetRequest) check() error {
	if q.At.IsZero() {
		return fmt.Errorf("%w: no time", ErrInvalid)
	}
	if err := CheckText(q.By, q.Reason); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if q.Request == "" {
		return nil
	}
	if err := checkText(q.Request, maxRequest); err != nil {
		return fmt.Errorf("%w: request: %w", ErrInvalid, err)
	}
	return nil
}

// CheckText tells whether who did something, and why, may stand on record.
func CheckText(by, reason string) error {
	if err := checkText(by, maxBy); err != nil {
		return fmt.Errorf("by: %w", err)
	}
	if err := checkText(reason, maxReason); err != nil {
		return fmt.Errorf("reason: %w", err)
	}
	return nil
}

func checkText(s string, limit int) error {
	switch {
	case strings.TrimSpace(s) == "":
		return errors.New("is empty")
	case len(s) > limit:
		return fmt.Errorf("is %d bytes long, at most %d are allowed", len(s), limit)
	case !utf8.ValidString(s):
		return errors.New("is not valid UTF-8")
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%q is not printable", s)
	}
	return nil
}

// intent is a reset that began. The raw values it began with are those in the
// book, which stands still meanwhile.
type intent struct {
	ID      string    `json:"id"`
	By      string    `json:"by"`
	Reason  string    `json:"reason"`
	Request string    `json:"request,omitempty"`
	At      time.Time `json:"at"`
	// Controllers becomes the volume's baseline if the reset happens.
	Controllers map[string]baseline `json:"controllers,omitempty"`
}

// complete returns the book after its pending reset happened to the records
// that after names, and what to remember of it.
func (b book) complete(after map[string]Sample, quiet time.Duration) (book, Reset) {
	in := b.Pending
	reset := Reset{
		ID: in.ID, By: in.By, Reason: in.Reason, Request: in.Request, At: in.At,
		Before: map[string]Tallies{}, After: map[string]Tallies{},
	}
	b.Records = maps.Clone(b.Records)
	for k, s := range after {
		r, known := b.Records[k]
		if !known && !s.counts() {
			continue
		}
		next := rebase(r, s, in.At, quiet)
		if len(r.Tallies) > 0 {
			reset.Before[k], reset.After[k] = r.Tallies, next.Tallies
		}
		b.Records[k] = next
	}
	b.Controllers = rebaseControllers(b.Controllers, in.Controllers, after)
	resets := append(b.Resets[:len(b.Resets):len(b.Resets)], reset)
	b.Resets = resets[max(0, len(resets)-maxResets):]
	b.Pending = nil
	return b, reset
}

// judge decides whether an orphaned reset happened, from the first samples
// after it. It returns nil if it did not.
func (b book) judge(samples map[string]Sample, quiet time.Duration) (book, *Reset) {
	written := map[string]Sample{}
	for k, s := range samples {
		if some, _ := fell(b.Records[k], s); some {
			written[k] = s
		}
	}
	if len(written) == 0 {
		b.Pending = nil
		return b, nil
	}
	b, _ = b.complete(written, quiet)
	last := &b.Resets[len(b.Resets)-1] // complete's own copy, nobody else has it
	last.Recovered = true
	return b, last
}

// rebase returns the record after a reset at the given time and one sample
// after it: since-reset is what that sample added, lifetimes go on.
func rebase(r Record, s Sample, at time.Time, quiet time.Duration) Record {
	_, all := fell(r, s)
	next, _ := merge(r, s, quiet)
	next.Tallies = cloneTallies(next.Tallies)
	for c, t := range next.Tallies {
		t.SinceReset = t.Lifetime - r.Tallies[c].Lifetime
		next.Tallies[c] = t
	}
	next.CountedSince = at
	next.Exact = s.Exact && all
	return next
}

// fell tells whether some counter reads less than before within one epoch,
// which proves that it was zeroed, and whether all did that could: one that
// stays up was not written, or has passed its old value again, and nobody knows
// by how much, unless a witness does. Counts of BPF are nobody's to write: there
// a reset is the baseline alone.
func fell(r Record, s Sample) (some, all bool) {
	switch l := lifeOf(r, s); {
	case !s.counts():
		return false, false
	case l != sameLife:
		return false, l == firstLife
	case s.Source == nvme.SourceBPF:
		return false, true
	}
	all = true
	for c, raw := range s.Counters {
		switch last := r.Tallies[c].Raw; {
		case raw < last:
			some = true
		case last > 0 && !r.attests(s, c):
			all = false
		}
	}
	return some, all
}

// rebaseControllers returns a volume's baselines after a reset of the records
// in after: a reset that includes the head is one of the whole volume and
// touches every controller, another only those of its paths.
func rebaseControllers(have, now map[string]baseline, after map[string]Sample) map[string]baseline {
	_, whole := after[HeadKey]
	next := make(map[string]baseline, len(now))
	maps.Copy(next, have)
	for k, b := range now {
		if _, ok := after[k]; ok || whole {
			next[k] = b
		}
	}
	return next
}
