package kubectl

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// TestTopCountsFromItsBegin: what was counted before is not new, a reset makes
// nothing negative, and a path set that comes later begins at what it has.
func TestTopCountsFromItsBegin(t *testing.T) {
	v := view{first: map[pathKey]int64{}, begun: noon.Add(-time.Minute)}
	orders, logs := cut(newSet("shop", "orders", "node-a"), 13), newSet("shop", "logs", "node-a")
	v.observe([]v1alpha1.NVMePathSet{orders}, noon)
	if v.paths[0].new != 0 {
		t.Errorf("at the begin: %d new failovers, want 0", v.paths[0].new)
	}
	orders.Status.Paths[0].Failovers = &v1alpha1.Count{SinceReset: 2, Lifetime: 43 + 5} // a reset came between
	logs.Status.Paths[1].Failovers = &v1alpha1.Count{SinceReset: 7, Lifetime: 7}
	v.observe([]v1alpha1.NVMePathSet{logs, orders}, noon)
	goldenPage(t, "top.txt", func(p *page) { p.top(v) })
	v.failure = errors.New("connection refused")
	goldenPage(t, "top-stale.txt", func(p *page) { p.now = noon.Add(10 * time.Second); p.top(v) })
}

// TestTopGoesOn: an API server that goes away ends it before it has shown
// anything, and not after.
func TestTopGoesOn(t *testing.T) {
	set := newSet("shop", "orders", "node-a")
	c := newCluster(t, &set)
	streams, _, out, _ := genericiooptions.NewTestIOStreams()
	p := c.plugin(streams)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	questions := 0
	p.connect = func() (client.Client, error) {
		switch questions++; questions {
		case 2:
			return nil, errors.New("connection refused")
		case 4:
			cancel()
			return nil, ctx.Err()
		}
		return c, nil
	}
	tick := make(chan time.Time, 4)
	for range cap(tick) {
		tick <- noon
	}
	if err := p.follow(ctx, selection{}, tick); err != nil {
		t.Errorf("it ended with %v, want nothing: it was interrupted", err)
	}
	if views, failures := strings.Count(out.String(), "NAMESPACE"), strings.Count(out.String(), "connection refused"); views != 3 || failures != 1 {
		t.Errorf("%d views and %d failures, want 3 and 1:\n%s", views, failures, out)
	}

	p.connect = func() (client.Client, error) { return nil, errors.New("connection refused") }
	if err := p.follow(t.Context(), selection{}, tick); err == nil {
		t.Error("it began without an API server")
	}
}

func TestClip(t *testing.T) {
	const text = "12345\n123\n12345678\nlast\n"
	for _, c := range []struct {
		width, height int
		want          string
	}{
		{80, 24, text}, {80, 2, "12345\n123\n"}, {6, 24, "12345\n123\n12345\nlast\n"}, {6, 0, ""},
	} {
		if got := clip(text, c.width, c.height); got != c.want {
			t.Errorf("clip to %d x %d: %q, want %q", c.width, c.height, got, c.want)
		}
	}
}
