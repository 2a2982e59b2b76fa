package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/blockdev"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/nvmet"
	"github.com/braid-csi/braid/hack/poll"
)

const mib = 1 << 20

// TestNamespaceGrows has the target's device grow and the file system on the
// host with it: the tools for both kinds of file system are in the guest.
func TestNamespaceGrows(t *testing.T) {
	for _, fs := range []struct {
		name, uuid string
		make, grow []string
	}{
		{"ext4", "6d1a9a2e-51a7-4c3b-9c3e-0d6b5d1f0b01", []string{"mkfs.ext4", "-q"}, []string{"resize2fs"}},
		{"xfs", "6d1a9a2e-51a7-4c3b-9c3e-0d6b5d1f0b02", []string{"mkfs.xfs", "-q"}, []string{"xfs_growfs", "-d"}},
	} {
		t.Run(fs.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			loop, err := blockdev.NewLoop(400 * mib)
			must(t, err)
			cleanup(t, loop.Remove)
			target, err := nvmet.Open()
			must(t, err)
			cleanup(t, target.Remove)
			nqn := "nqn.2026-11.test.braid:grow-" + fs.name
			subsystem, err := target.NewSubsystem(nvmet.SubsystemConfig{NQN: nqn})
			must(t, err)
			namespace, err := subsystem.NewNamespace(nvmet.NamespaceConfig{NSID: 1, Device: loop.Device(), UUID: fs.uuid})
			must(t, err)
			addr := netip.MustParseAddrPort("127.0.0.1:4420")
			port, err := target.NewPort(1, addr)
			must(t, err)
			must(t, port.Link(subsystem))
			c, err := nvmehost.Connect(nvmehost.ConnectOptions{NQN: nqn, Addr: addr})
			must(t, err)
			cleanup(t, c.Disconnect)
			head, err := nvmehost.WaitHead(ctx, fs.uuid)
			must(t, err)

			dir := t.TempDir()
			call(t, append(fs.make, head.Device())...)
			call(t, "mount", head.Device(), dir)
			cleanup(t, func() error { return unix.Unmount(dir, 0) })
			before := capacity(t, dir)

			must(t, loop.Resize(800*mib))
			must(t, namespace.RevalidateSize())
			must(t, poll.Until(ctx, head.String()+" to grow", func() (bool, error) {
				size, err := head.Size()
				return size == 800*mib, err
			}))
			if fs.name == "xfs" {
				call(t, append(fs.grow, dir)...)
			} else {
				call(t, append(fs.grow, head.Device())...)
			}
			after := capacity(t, dir)
			t.Logf("%s on %s: %d MiB, then %d MiB", fs.name, head, before/mib, after/mib)
			if after < before+300*mib {
				t.Errorf("%s has %d MiB after growing from %d MiB by 400", fs.name, after/mib, before/mib)
			}
		})
	}
}

func call(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("%v: %w: %s", args, err, out))
	}
}

func capacity(t *testing.T, dir string) int64 {
	t.Helper()
	var s unix.Statfs_t
	must(t, unix.Statfs(dir, &s))
	return int64(s.Blocks) * s.Bsize
}
