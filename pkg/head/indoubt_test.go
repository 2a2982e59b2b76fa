package head

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// at is a time after the base of a table.
func (d *doubts) at(after time.Duration) time.Time { return d.base.Add(after) }

func TestInDoubt(t *testing.T) {
	const window = 10 * time.Second
	one, two := new(Request), new(Request)
	for _, tc := range []struct {
		name string
		do   func(*doubts)
		by   *Request
		// start and blocks are what by wants to write, now after the base.
		start, blocks uint64
		now, want     time.Duration // 0 is at once
	}{
		{"nothing", func(*doubts) {}, nil, 0, 100, 0, 0},
		{"overlap", func(d *doubts) { d.mark(one, 8, 8, d.at(window)) }, nil, 15, 1, 0, window},
		{"before", func(d *doubts) { d.mark(one, 8, 8, d.at(window)) }, nil, 0, 8, 0, 0},
		{"behind", func(d *doubts) { d.mark(one, 8, 8, d.at(window)) }, nil, 16, 8, 0, 0},
		{"around", func(d *doubts) { d.mark(one, 8, 8, d.at(window)) }, nil, 0, 100, 0, window},
		{"just before the end", func(d *doubts) { d.mark(one, 8, 8, d.at(window)) }, nil, 8, 8, window - 1, window},
		{"at the end", func(d *doubts) { d.mark(one, 8, 8, d.at(window)) }, nil, 8, 8, window, 0},
		{"rounded up", func(d *doubts) { d.mark(one, 8, 8, d.at(window+1)) }, nil, 8, 8, window, window + inDoubtGrain},
		{"the retry", func(d *doubts) { d.mark(one, 8, 8, d.at(window)) }, one, 8, 8, 0, 0},
		{"the retry of another", func(d *doubts) {
			d.mark(one, 8, 8, d.at(window))
			d.mark(two, 15, 8, d.at(2*window))
		}, one, 8, 8, 0, 2 * window},
		{"the request when it is used again", func(d *doubts) {
			d.mark(one, 8, 8, d.at(window))
			d.disown(one)
		}, one, 8, 8, 0, window},
		{"lost again", func(d *doubts) {
			d.mark(one, 8, 8, d.at(window))
			d.mark(one, 8, 8, d.at(2*window))
		}, nil, 8, 8, window, 2 * window},
		{"lost again, with a shorter window", func(d *doubts) {
			d.mark(one, 8, 8, d.at(2*window))
			d.mark(one, 8, 8, d.at(window))
		}, nil, 8, 8, 0, 2 * window},
		{"to the last block there is", func(d *doubts) { d.mark(nil, ^uint64(0)-8, 8, d.at(window)) }, nil, ^uint64(0) - 1, 1, 0, window},
		{"a long one before a short one", func(d *doubts) {
			d.mark(one, 0, 100, d.at(window))
			d.mark(two, 50, 1, d.at(window))
		}, nil, 99, 1, 0, window},
		{"an owner of a table that is full", func(d *doubts) {
			d.limit = 1
			d.mark(one, 8, 8, d.at(window))
			d.mark(two, 100, 8, d.at(window))
		}, one, 8, 8, 0, window},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDoubts()
			tc.do(d)
			got := d.until(tc.by, tc.start, tc.blocks, d.at(tc.now))
			if tc.want == 0 && !got.IsZero() || tc.want != 0 && !got.Equal(d.at(tc.want)) {
				t.Errorf("blocks %d+%d are held until %s after the base, want %s", tc.start, tc.blocks, got.Sub(d.base), tc.want)
			}
		})
	}
}

// TestInDoubtCoalesce: the ranges of one loss become one when the requests are
// done with, and go together.
func TestInDoubtCoalesce(t *testing.T) {
	d := newDoubts()
	var lost [4]*Request
	for i := range lost {
		lost[i] = new(Request)
		d.mark(lost[i], uint64(i)*8, 8, d.at(time.Second+time.Duration(i)-10))
	}
	d.mark(nil, 100, 8, d.at(2*time.Second))
	if n := d.count.Load(); n != 5 {
		t.Errorf("%d ranges while their requests are on the way, want 5", n)
	}
	for _, r := range lost {
		d.disown(r)
	}
	want := []InDoubt{{0, 32, d.at(time.Second)}, {100, 8, d.at(2 * time.Second)}}
	if diff := cmp.Diff(want, d.list(d.at(0))); diff != "" {
		t.Errorf("in doubt (-want +got):\n%s", diff)
	}
	if next := d.expire(d.at(time.Second)); !next.Equal(d.at(2*time.Second)) || !d.any() {
		t.Errorf("after the first window: next %s, any %t", next, d.any())
	}
	if next := d.expire(d.at(2 * time.Second)); !next.IsZero() || d.any() {
		t.Errorf("after the second window: next %s, any %t", next, d.any())
	}
}

// FuzzInDoubt compares the table with one that remembers every loss of every
// block. Each step is three bytes: what and who, where, how much and how long.
func FuzzInDoubt(f *testing.F) {
	f.Add([]byte{0, 8, 0x14, 1, 10, 0x12, 4, 0, 0, 8, 0, 0x30})
	f.Add([]byte{0, 0, 0x10, 1, 20, 0x10, 2, 40, 0x20, 3, 60, 0x20, 4, 0, 0, 5, 0, 0})
	f.Fuzz(func(t *testing.T, steps []byte) {
		const blocks, grain = 40, inDoubtGrain
		steps = steps[:min(len(steps), 3*40)] // checking is slow
		d := newDoubts()
		d.limit = 6
		var now time.Duration
		var owners [4]*Request
		for i := range owners {
			owners[i] = new(Request)
		}
		type loss struct {
			owner       *Request
			start, size uint64
			until       time.Duration
		}
		var losses []loss
		exact := true // until the table was full
		for ; len(steps) >= 3; steps = steps[3:] {
			who := owners[steps[0]&3]
			switch steps[0] >> 2 & 3 {
			case 0, 1:
				l := loss{who, uint64(steps[1]) % blocks, uint64(steps[2]&15) + 1, now + time.Duration(steps[2]>>4)*grain}
				for i := range losses { // a request has one range
					if losses[i].owner == who {
						l.start, l.size = losses[i].start, losses[i].size
					}
				}
				losses = append(losses, l)
				d.mark(l.owner, l.start, l.size, d.at(l.until))
			case 2:
				d.disown(who)
				for i := range losses {
					if losses[i].owner == who {
						losses[i].owner = nil
					}
				}
			case 3:
				now += time.Duration(steps[1]&7) * grain
				d.expire(d.at(now))
			}
			if len(d.ranges) > d.limit {
				t.Fatalf("%d ranges, at most %d", len(d.ranges), d.limit)
			}
			exact = exact && len(d.ranges) < d.limit
			for b := range uint64(blocks + 16) {
				for _, by := range append(owners[:], nil) {
					var want, most time.Duration
					for _, l := range losses {
						if l.until <= now {
							continue
						}
						most = max(most, l.until)
						if l.start <= b && b < l.start+l.size && (l.owner == nil || l.owner != by) {
							want = max(want, l.until)
						}
					}
					var got time.Duration
					if u := d.until(by, b, 1, d.at(now)); !u.IsZero() {
						got = u.Sub(d.base)
					}
					if got < want || got > most || exact && got != want {
						t.Fatalf("block %d at %s for %p: held until %s, want %s (exact %t); losses %+v, table %+v", b, now, by, got, want, exact, losses, d.ranges)
					}
				}
			}
		}
	})
}
