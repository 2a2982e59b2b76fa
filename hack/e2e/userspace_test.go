package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/pkg/head"
	"github.com/braid-csi/braid/pkg/host"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// ours is our own host, connected to some target over a number of addresses. It
// runs in the test.
type ours struct {
	t         testing.TB
	ctx       context.Context
	addresses []nvme.TransportID
	subsystem *head.Subsystem
	head      *head.Head
}

// newOurs connects our host. configure may change what is usual.
func newOurs(ctx context.Context, t testing.TB, nqn string, addresses []netip.AddrPort, configure func(*head.Config)) *ours {
	t.Helper()
	o := &ours{t: t, ctx: ctx}
	cfg := head.Config{Host: ourHost(nqn), IOPolicy: nvme.IOPolicyRoundRobin}
	if configure != nil {
		configure(&cfg)
	}
	var err error
	o.subsystem, err = head.New(ctx, cfg)
	must(t, err)
	cleanup(t, func() error { return o.subsystem.Close(context.WithoutCancel(ctx)) })
	for _, a := range addresses {
		o.addresses = append(o.addresses, transportID(a))
		_, err := o.subsystem.Connect(ctx, transportID(a), -1)
		must(t, err)
	}
	o.head, err = o.subsystem.Open(ctx, nvme.NamespaceID{Type: nvme.UUID, Value: targetUUID})
	must(t, err)
	for i := range addresses {
		o.waitUsable(i, true)
	}
	return o
}

// ourHost is a host that comes back soon.
func ourHost(nqn string) host.Config {
	cfg := host.Config{
		SubsystemNQN: nvme.NQN(nqn), HostNQN: "nqn.2026-11.test.braid:ours",
		IOQueues: 2, ReconnectDelay: time.Second, ControllerLossTimeout: -1, KeepAlive: 5 * time.Second,
	}
	rand.Read(cfg.HostID[:])
	return cfg
}

func transportID(a netip.AddrPort) nvme.TransportID {
	return nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: a.Addr().String(), TrSvcID: strconv.Itoa(int(a.Port()))}
}

func (o *ours) until(what string, done func() (bool, error)) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.ctx, time.Minute)
	defer cancel()
	must(o.t, poll.Until(ctx, what, done))
}

// path is the path to an address.
func (o *ours) path(i int) head.PathSnapshot {
	o.t.Helper()
	for _, p := range o.head.Snapshot().Paths {
		if p.Address == o.addresses[i] {
			return p
		}
	}
	return head.PathSnapshot{}
}

func (o *ours) waitUsable(i int, want bool) {
	o.t.Helper()
	o.until(fmt.Sprintf("path %d to be usable: %t", i, want), func() (bool, error) { return o.path(i).Usable == want, nil })
}

func (o *ours) waitANA(i int, want nvme.ANAState) {
	o.t.Helper()
	o.until(fmt.Sprintf("path %d to be %s", i, want), func() (bool, error) {
		p := o.path(i)
		return p.ANA == want && !p.Pending, nil
	})
}

// counters reads a counter of both paths.
func (o *ours) counters(name nvme.Counter) [2]uint64 {
	o.t.Helper()
	return [2]uint64{o.path(0).Counters[name], o.path(1).Counters[name]}
}

// write starts a writer of the usual depth, some way into the namespace, and
// waits until it is under way.
func (o *ours) write(offset int64) *load.Writer {
	o.t.Helper()
	w, err := load.StartOn(headDisk{o.head, offset}, "our head", load.DefaultDepth)
	must(o.t, err)
	o.goesOn(w)
	return w
}

func (o *ours) goesOn(w *load.Writer) {
	o.t.Helper()
	from := w.Stats().Verified
	o.until("the writer to go on", func() (bool, error) {
		return w.Stats().Verified >= from+2*load.DefaultDepth, w.Err()
	})
}

func (o *ours) unharmed(w *load.Writer) {
	o.t.Helper()
	stats, err := w.Stop()
	if err != nil {
		o.t.Errorf("the writer was harmed: %v", err)
	}
	o.t.Logf("writer over our host: %d blocks written, %d verified, longest stall %.2f s", stats.Written, stats.Verified, stats.Stall.Length().Seconds())
}

// headDisk is a head, from an offset in bytes on, as a disk that is read and
// written.
type headDisk struct {
	head   *head.Head
	offset int64
}

func (d headDisk) ReadAt(b []byte, at int64) (int, error) { return d.do(nvmetcp.Read, b, at) }

func (d headDisk) WriteAt(b []byte, at int64) (int, error) { return d.do(nvmetcp.Write, b, at) }

// Close leaves the head open.
func (d headDisk) Close() error { return nil }

func (d headDisk) do(op nvmetcp.Opcode, b []byte, at int64) (int, error) {
	done := make(chan struct{})
	size := int64(d.head.BlockSize())
	r := head.Request{
		Op: op, Data: b, Start: uint64((d.offset + at) / size), Blocks: uint32(int64(len(b)) / size),
		Queue: uint(at / int64(len(b))), Done: func(*head.Request) { close(done) },
	}
	d.head.Submit(&r)
	<-done
	if r.Status != nvme.StatusSuccess {
		return 0, fmt.Errorf("%#x of %d bytes at %d: %s", uint8(op), len(b), at, r.Status)
	}
	return len(b), nil
}
