package multipath

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
)

// work is maintenance of an address for that long.
func work(address nvme.TransportID, lasts time.Duration) Maintenance {
	return Maintenance{Address: address, By: "root", Reason: "new switch", Until: time.Now().Add(lasts)}
}

const (
	host1 = "192.0.2.1:4420"
	host2 = "192.0.2.2:4420"
)

// TestMaintenance: paths are drained, stay away, come back in need and come back
// at the end.
func TestMaintenance(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		connected := func(when string, want ...string) {
			t.Helper()
			sleep(2 * time.Second)
			if diff := cmp.Diff(want, node.connected()); diff != "" {
				t.Errorf("%s: connected (-want +got):\n%s", when, diff)
			}
		}
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1, way2)); err != nil {
			t.Fatal(err)
		}
		connected("staged", host1, host2)
		if err := l.Drain(ctx, work(way1, time.Hour)); err != nil {
			t.Fatal(err)
		}
		connected("drained", host2)
		if p := l.Snapshot().PathSet("v").Paths[0]; p.Maintenance == nil || p.Maintenance.Reason != "new switch" {
			t.Errorf("the snapshot does not tell of the maintenance: %+v", p)
		}
		if err := l.Drain(ctx, work(way2, time.Hour)); !errors.Is(err, ErrLastPath) {
			t.Errorf("draining the last path: %v", err)
		}
		connected("the last path was not drained", host2)

		if next := openLayer(ctx, t, node, l.store.dir+"/.."); len(next.Maintenances()) != 1 {
			t.Errorf("the next run knows of %+v", next.Maintenances())
		}
		node.setState(way2, nvme.StateConnecting)
		connected("in need", host1, host2)
		node.setState(way2, nvme.StateLive)
		if err := l.Drain(ctx, work(way1, time.Hour)); err != nil { // goes on
			t.Fatal(err)
		}
		connected("drained again", host2)

		if err := l.Return(ctx, way1); err != nil {
			t.Fatal(err)
		}
		connected("returned", host1, host2)
		if all := l.Maintenances(); len(all) != 0 {
			t.Errorf("after the end: %+v", all)
		}
		if err := l.Return(ctx, way1); !errors.Is(err, ErrNoMaintenance) {
			t.Errorf("a second end: %v", err)
		}
	})
}

// TestMaintenanceForgotten: it ends by itself.
func TestMaintenanceForgotten(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1, way2)); err != nil {
			t.Fatal(err)
		}
		sleep(time.Second) // staging waits for one path only
		if err := l.Drain(ctx, work(way1, time.Minute)); err != nil {
			t.Fatal(err)
		}
		sleep(time.Minute + 2*time.Second)
		if all := l.Maintenances(); len(all) != 1 || !all[0].Returning || len(node.connected()) != 2 {
			t.Errorf("after its time: %+v, connected %v", all, node.connected())
		}
		sleep(returnTime)
		if all := l.Maintenances(); len(all) != 0 {
			t.Errorf("after the return: %+v", all)
		}
	})
}

// TestMaintenanceNotBack: a path that does not come back is named, and is a
// finding once it has had its time.
func TestMaintenanceNotBack(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1, way2)); err != nil {
			t.Fatal(err)
		}
		sleep(time.Second)
		if err := l.Drain(ctx, work(way1, time.Hour)); err != nil {
			t.Fatal(err)
		}
		node.answerWith(way1, refused)
		short, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if err := l.Return(short, way1); !errors.Is(err, ErrNoPath) {
			t.Errorf("Return: %v, want ErrNoPath", err)
		}
		sleep(returnTime)
		if p := l.Snapshot().PathSet("v").Paths[0]; p.Maintenance != nil || p.ConnectError == "" {
			t.Errorf("after its time: %+v", p)
		}
	})
}

func TestMaintenanceRefused(t *testing.T) {
	bound := way1
	bound.HostIface = "eth0"
	for name, asked := range map[string]func() Maintenance{
		"the host's end":    func() Maintenance { return work(bound, time.Hour) },
		"no transport":      func() Maintenance { return work(nvme.TransportID{}, time.Hour) },
		"no time":           func() Maintenance { return work(way1, 0) },
		"too long":          func() Maintenance { return work(way1, MaxMaintenance+time.Hour) },
		"no reason":         func() Maintenance { m := work(way1, time.Hour); m.Reason = ""; return m },
		"two lines of text": func() Maintenance { m := work(way1, time.Hour); m.Reason = "a\nb"; return m },
	} {
		withLayer(t, newFakeNode(uuidA), func(t *testing.T, ctx context.Context, l *Layer) {
			if err := l.Drain(ctx, asked()); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: %v, want ErrInvalid", name, err)
			}
			if len(l.Maintenances()) != 0 {
				t.Errorf("%s: it is noted", name)
			}
		})
	}
}

// TestMaintenanceSilent: what does not answer is not taken down.
func TestMaintenanceSilent(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1, way2)); err != nil {
			t.Fatal(err)
		}
		sleep(time.Second)
		node.knows(way1, Evidence{Connections: Silent})
		if err := l.Drain(ctx, work(way1, time.Hour)); !errors.Is(err, ErrUnfit) || len(l.Maintenances()) != 0 {
			t.Errorf("draining a silent path: %v, noted %+v", err, l.Maintenances())
		}
		if err := l.Drain(ctx, work(way2, time.Hour)); err != nil {
			t.Errorf("draining the other one: %v", err)
		}
	})
}

// setState sets what the kernel says of the controller of a way.
func (f *fakeNode) setState(of nvme.TransportID, state nvme.ControllerState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.present {
		if f.present[i].Address == of {
			f.present[i].State = state
		}
	}
}

// answerWith says what connecting a way does.
func (f *fakeNode) answerWith(of nvme.TransportID, answer func(context.Context) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer[of] = answer
}
