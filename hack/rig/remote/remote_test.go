package remote

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/braid-csi/braid/hack/cluster/agent"
	"github.com/braid-csi/braid/hack/nvmehost"
)

// here is a machine whose braid-rig runs in this process.
type here struct{ err error }

func (h here) Command(ctx context.Context, c agent.Command) error {
	if h.err != nil {
		return h.err
	}
	done := make(chan error, 1)
	go func() { done <- Serve(c.Stdin, c.Stdout) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// TestAsk has what a rig says arrive as it was said, errors too.
func TestAsk(t *testing.T) {
	r := start(t.Context(), here{}, "braid-rig")
	_, err := r.ask(t.Context(), request{Do: cut})
	if want := "rig: cut: no rig was built"; err == nil || err.Error() != want {
		t.Errorf("cutting without a rig: %v, want %s", err, want)
	}
	if err := r.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := r.ask(t.Context(), request{Do: cut}); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("after Close: %v", err)
	}
}

// TestEnded has the reason why a rig ended in the error of whoever asks it.
func TestEnded(t *testing.T) {
	broken := errors.New("connection to the node")
	r := start(t.Context(), here{err: broken}, "braid-rig")
	if _, err := r.ask(t.Context(), request{Do: read}); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

// TestGivenUp: a request that is given up is not answered later.
func TestGivenUp(t *testing.T) {
	never := machineFunc(func(ctx context.Context, c agent.Command) error {
		b := make([]byte, 1024)
		_, _ = c.Stdin.Read(b)
		<-ctx.Done()
		return context.Cause(ctx)
	})
	r := start(t.Context(), never, "braid-rig")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.ask(ctx, request{Do: read}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

type machineFunc func(context.Context, agent.Command) error

func (f machineFunc) Command(ctx context.Context, c agent.Command) error { return f(ctx, c) }

// TestReading has a reading arrive at the other end as it is.
func TestReading(t *testing.T) {
	var head nvmehost.Head
	var path nvmehost.Path
	if err := errors.Join(head.UnmarshalText([]byte("nvme0n1")), path.UnmarshalText([]byte("nvme0c1n1"))); err != nil {
		t.Fatal(err)
	}
	want := nvmehost.Reading{
		Head: head, HeadCounts: map[string]uint64{nvmehost.Requeues: 1},
		Ways: map[netip.AddrPort]nvmehost.Way{netip.MustParseAddrPort("192.0.2.18:4420"): {
			Path: path, Controller: nvmehost.Controller{Instance: 1}, State: "live", ANAState: "optimized",
			Counts: map[string]uint64{nvmehost.Failovers: 32},
		}},
	}
	line := answer{Reading: &want}
	node := machineFunc(func(_ context.Context, c agent.Command) error {
		if _, err := c.Stdin.Read(make([]byte, 1024)); err != nil {
			return err
		}
		return json.NewEncoder(c.Stdout).Encode(line)
	})
	r := start(t.Context(), node, "braid-rig")
	got, err := r.Read(t.Context(), "any")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("reading %+v, want %+v", got, want)
	}
}
