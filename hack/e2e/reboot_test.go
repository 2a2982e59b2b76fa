//go:build machines

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/blockdev"
	"github.com/braid-csi/braid/hack/faultpoints"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/nvme"
)

// A node that loses power keeps what is on its disk, and the target keeps what
// was written to it. So the first machine stops braid-node before each of its
// steps and takes a picture of both devices, past every cache: no more than
// that would be left. The second machine is the node after the reboot, with
// another boot ID and no controller and no mount, once for each picture.
//
//	first machine:   call -> step -> picture -> step -> picture -> ...   -> /out
//	second machine:  picture -> devices -> mount -> braid-node -> the call again
const (
	picturesOut = "/out/reboot"
	picturesIn  = "/reboot"
	indexFile   = "index.json"
	// diskMB is the size of the node's own disk, with everything that outlives a
	// reboot: what is below /var/lib.
	diskMB = 16
	nodeFS = "/var/lib"
)

// picture is what a power cut would leave.
type picture struct {
	Call, Step string
	To         life
	// Disk and Device are files with the contents of the two devices.
	Disk, Device string
	// Made is the file system on the device, empty if there is none, and Kept
	// tells whether something was written to it that must stay.
	Made string
	Kept bool
	// Least and Most are between which the count must be: what had happened last
	// may not have been seen.
	Least, Most uint64
	// SizeMB is the namespace's.
	SizeMB int
}

// TestRebootBefore takes the pictures.
func TestRebootBefore(t *testing.T) {
	must(t, os.MkdirAll(picturesOut, 0o755))
	disk := newDisk(t)
	call(t, "mkfs.ext4", "-q", disk.Device())
	mountDisk(t, disk)
	c := newCrash(t, "ext4")
	var pictures []picture
	seen := map[string]bool{}
	for _, crashed := range crashCalls {
		c.bring(crashed.from)
		least := c.lifetime
		if crashed.before != nil {
			crashed.before(c)
		}
		steps := 0
		points, err := faultpoints.Listen(func(n int, step string) {
			steps = n
			p := picture{Call: crashed.name, Step: step, To: crashed.to, Kept: !c.wiped, Least: least, Most: c.lifetime, SizeMB: c.sizeMB}
			p.Disk, p.Device = store(t, disk.Device()), store(t, c.rig.Device(0))
			p.Made = c.madeAt()
			if key := p.Call + p.Disk + p.Device; !seen[key] {
				seen[key] = true
				pictures = append(pictures, p)
			}
		})
		must(t, err)
		must(t, crashed.call(c))
		_, err = points.Close()
		must(t, err)
		c.at = crashed.to
		if c.at != away {
			c.counted()
		}
		if crashed.formats() { // for those that follow
			c.bring(published)
			c.keep()
			c.wiped = false
		}
		t.Logf("%s: %d steps", crashed.name, steps)
	}
	c.bring(away)
	c.nothingLeft()
	b, err := json.Marshal(pictures)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(picturesOut, indexFile), b, 0o644))
	t.Logf("%d pictures that differ", len(pictures))
}

// formats tells whether the call finds an empty device.
func (c crashCall) formats() bool { return strings.Contains(c.name, "empty") }

// TestRebootAfter is the node after the power cut, once for each picture.
func TestRebootAfter(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(picturesIn, indexFile))
	must(t, err)
	var pictures []picture
	must(t, json.Unmarshal(b, &pictures))
	for i, p := range pictures {
		t.Run(fmt.Sprintf("%s %d", p.Call, i), func(t *testing.T) { afterReboot(t, p) })
	}
}

func afterReboot(t *testing.T, p picture) {
	t.Logf("power was cut before: %s", p.Step)
	disk := newDisk(t)
	restore(t, p.Disk, disk.Device())
	mountDisk(t, disk)
	c := rebooted(t, p)
	// kubelet asks for a volume that is to be there, and for one that is not it
	// repeats what it did not see the end of.
	if p.To == away {
		must(t, c.unpublish())
		must(t, c.unstage())
		c.nothingLeft()
	}
	must(t, c.stage())
	must(t, c.publish())
	c.waitUsable(c.v, 2)
	if made := c.madeAt(); p.Made != "" && made != p.Made {
		t.Errorf("the file system %s was formatted again, it is %s now", p.Made, made)
	}
	c.wiped = !p.Kept
	c.kept()
	c.inBetween(p)
	must(t, c.unpublish())
	must(t, c.unstage())
	c.nothingLeft()
	c.sound()
}

// inBetween wants the count to be no less than what was known for certain and
// no more than what there was.
func (c *crash) inBetween(p picture) {
	c.t.Helper()
	if !c.kernel.Counters {
		return
	}
	if got := c.firstPath(c.v).Counts[nvme.Failovers].Lifetime; got < p.Least || got > p.Most {
		c.t.Errorf("the first path's lifetime is %d failovers, want %d to %d", got, p.Least, p.Most)
	}
}

// rebooted starts braid-node over what a picture has of its disk, with a target
// that has what the picture has of its device.
func rebooted(t *testing.T, p picture) *crash {
	t.Helper()
	dirs, err := filepath.Glob(nodeFS + "/kubelet-*")
	must(t, err)
	if len(dirs) != 1 {
		t.Fatalf("kubelet's directories on the node's disk: %v, want one", dirs)
	}
	name := strings.TrimPrefix(dirs[0], nodeFS+"/kubelet-")
	s := &scene{t: t, ctx: t.Context(), dir: dirs[0], stateDir: nodeFS + "/braid-" + name}
	s.kernel, err = nvmehost.Kernel()
	must(t, err)
	s.rig, err = rig.New(rig.Config{
		NQN: "nqn.2026-11.test.braid:" + name, Paths: 2,
		Namespaces: []rig.Namespace{{UUID: uuid(0), SizeMB: p.SizeMB, Growable: true}},
	})
	must(t, err)
	cleanup(t, s.rig.Close)
	t.Cleanup(s.sweep)
	restore(t, p.Device, s.rig.Device(0))
	c := &crash{scene: s, sizeMB: p.SizeMB}
	c.v = s.volume(0, "ext4").With("minPaths", "2")
	s.volumes[0] = c.v
	s.node, err = node.Start(s.ctx, node.Config{StateDir: s.stateDir, ClearAfter: clearAfter})
	must(t, err)
	return c
}

// newDisk makes the node's disk.
func newDisk(t *testing.T) *blockdev.Null {
	t.Helper()
	disk, err := blockdev.NewNull(blockdev.NullConfig{Name: "node", SizeMB: diskMB})
	must(t, err)
	cleanup(t, disk.Remove)
	return disk
}

func mountDisk(t *testing.T, disk *blockdev.Null) {
	t.Helper()
	must(t, unix.Mount(disk.Device(), nodeFS, "ext4", 0, ""))
	cleanup(t, func() error { return unix.Unmount(nodeFS, 0) })
}

// store keeps the content of a device in a file that is called after it, and
// returns the name.
func store(t *testing.T, device string) string {
	t.Helper()
	content, err := pack(device)
	must(t, err)
	name := sum(content)
	err = os.WriteFile(filepath.Join(picturesOut, name), content, 0o644)
	must(t, err)
	return name
}

// restore writes it to another device.
func restore(t *testing.T, name, device string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(picturesIn, name))
	must(t, err)
	must(t, unpack(content, device))
}
