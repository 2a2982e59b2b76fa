package ledger

import (
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
)

// baseline is where a controller's lifetimes stood when a volume was reset.
type baseline struct {
	At       time.Time               `json:"at"`
	Lifetime map[nvme.Counter]uint64 `json:"lifetime"`
}

// baselines notes where the lifetimes of all records stand.
func baselines(records map[string]Record, at time.Time) map[string]baseline {
	all := make(map[string]baseline, len(records))
	for k, r := range records {
		b := baseline{At: at, Lifetime: make(map[nvme.Counter]uint64, len(r.Tallies))}
		for c, t := range r.Tallies {
			b.Lifetime[c] = t.Lifetime
		}
		all[k] = b
	}
	return all
}

// since returns a copy of the controller's record r as a volume sees it whose
// last reset was at the baseline.
func (b baseline) since(r Record) Record {
	r = r.clone()
	if b.At.IsZero() {
		return r // no reset yet
	}
	if b.At.Before(r.CountedSince) {
		// The record is newer: the controllers' book was lost after the reset
		// and began again, so lifetimes before and after cannot be compared.
		return r
	}
	for c, t := range r.Tallies {
		t.SinceReset = t.Lifetime - min(t.Lifetime, b.Lifetime[c])
		r.Tallies[c] = t
	}
	r.CountedSince = b.At
	r.Exact = r.Exact || !r.LastGap.After(b.At)
	return r
}
