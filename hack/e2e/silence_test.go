package e2e

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/hack/rig"
)

// TestSilentPath black-holes a path under load. Nothing tells the host: it finds
// out by its keep-alive. The second path is over IPv6.
func TestSilentPath(t *testing.T) {
	const uuid = "6d1a9a2e-51a7-4c3b-9c3e-0d6b5d1f0c01"
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	since := stopwatch(t)

	r, err := rig.New(rig.Config{NQN: "nqn.2026-11.test.braid:silence", Paths: 2, Namespaces: []rig.Namespace{
		{UUID: uuid, SizeMB: 64, Delay: 20 * time.Millisecond},
	}})
	must(t, err)
	cleanup(t, r.Close)
	v6 := netip.AddrPortFrom(r.Net.Paths[1].Target6, rig.TCPPort)
	port, err := r.Target.NewPort(3, v6)
	must(t, err)
	must(t, port.Link(r.Subsystem))

	options := nvmehost.ConnectOptions{NQN: r.Subsystem.NQN, KeepAlive: time.Second, ReconnectDelay: time.Second}
	first, err := r.Connect(0, options)
	must(t, err)
	options.Addr = v6
	second, err := nvmehost.Connect(options)
	must(t, err)
	cleanup(t, second.Disconnect)
	head, err := nvmehost.WaitHead(ctx, uuid)
	must(t, err)
	paths, err := head.WaitPaths(ctx, first, second)
	must(t, err)
	must(t, head.SetIOPolicy("round-robin"))
	reads, err := load.StartReads(head.Device(), depth)
	must(t, err)
	must(t, poll.Until(ctx, "reads", func() (bool, error) { return reads.Completed() > depth, nil }))
	since("reads over %v", paths)

	must(t, r.Net.Paths[0].Cut())
	must(t, first.WaitState(ctx, "connecting"))
	since("silence noticed")
	done := reads.Completed()
	must(t, poll.Until(ctx, "the path left to carry on", func() (bool, error) { return reads.Completed() > done+2*depth, nil }))
	checkFailovers(t, paths[0], paths[1])

	must(t, r.Net.Paths[0].Restore())
	must(t, first.WaitState(ctx, "live"))
	since("path restored")
	must(t, reads.Stop())
}
