package ledger

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzBook reads arbitrary bytes as a book. What is taken for one must read
// back the same, and whatever it holds, counting goes on without a panic and
// without a lifetime that goes back.
func FuzzBook(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		var key Key
		_ = json.Unmarshal(data, &key) // so that the name fits more often
		b, err := decode(key.fileName(), data)
		if err != nil {
			return
		}
		again, err := b.encode()
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		back, err := decode(key.fileName(), again)
		if err != nil {
			t.Fatalf("read back: %v\n%s", err, again)
		}
		if diff := cmp.Diff(b, back, cmp.AllowUnexported(book{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("read back (-first +second):\n%s", diff)
		}
		samples := map[string]Sample{}
		for k := range b.Records {
			samples[k] = with(path(1, 1, 2, 3), func(s *Sample) { s.Epoch, s.Down = b.Records[k].Epoch, true })
		}
		if b.Pending != nil {
			next, _ := b.judge(samples, DefaultQuietTime)
			notBack(t, b, next)
			b = next
		}
		for k, s := range samples {
			next := b
			r, _ := merge(b.Records[k], s, DefaultQuietTime)
			next.Records = map[string]Record{k: r}
			notBack(t, b, next)
			b.Controllers[k].since(r)
		}
	})
}

func notBack(t *testing.T, before, after book) {
	t.Helper()
	for k, r := range after.Records {
		for c, tally := range r.Tallies {
			if was := before.Records[k].Tallies[c].Lifetime; tally.Lifetime < was {
				t.Errorf("%s of %q: lifetime goes from %d to %d", c, k, was, tally.Lifetime)
			}
		}
	}
}
