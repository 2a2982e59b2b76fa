package volume_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/volume"
	"github.com/braid-csi/braid/pkg/volume/volumetest"
)

func TestGrow(t *testing.T) {
	for fsType, program := range map[string]string{volume.Ext4: "resize2fs", volume.XFS: "xfs_growfs"} {
		node := volumetest.New(t)
		v := volume.New(node.System())
		dev, dir := node.AddDevice(gib, ""), mkdir(t, "staging")
		if err := v.Grow(t.Context(), dev, dir); !errors.Is(err, volume.ErrNotMounted) {
			t.Errorf("%s: Grow before Mount: %v, want ErrNotMounted", fsType, err)
		}
		if err := v.Mount(t.Context(), dev, dir, volume.FileSystem{Type: fsType}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := v.Grow(t.Context(), dev, dir); err != nil {
				t.Errorf("%s: Grow: %v", fsType, err)
			}
		}
		if grown := programs(node, program); len(grown) != 2 {
			t.Errorf("%s: ran %q, want %s twice", fsType, grown, program)
		}
		other := volume.Device{Path: dev.Path, DevNum: "259:9"}
		if err := v.Grow(t.Context(), other, dir); !errors.Is(err, volume.ErrOccupied) {
			t.Errorf("%s: Grow of another device: %v, want ErrOccupied", fsType, err)
		}
		target := filepath.Join(mkdir(t, "pod"), "target")
		if err := v.Publish(t.Context(), volume.Mount{Path: dir, DevNum: dev.DevNum, FSType: fsType}, target, true); err != nil {
			t.Fatal(err)
		}
		if err := v.Grow(t.Context(), dev, target); !errors.Is(err, volume.ErrReadOnly) {
			t.Errorf("%s: Grow of a read-only mount: %v, want ErrReadOnly", fsType, err)
		}
		// blkid says 2 both for nothing and for unreadable.
		node.Fail = func(call string, _ ...string) error {
			if call == "blkid" {
				return exitStatus(2)
			}
			return nil
		}
		if err := v.Grow(t.Context(), dev, dir); err == nil {
			t.Errorf("%s: Grow of an unreadable device succeeded", fsType)
		}
	}
}

func TestStats(t *testing.T) {
	_, v, staged := stage(t)
	got, err := v.Stats(t.Context(), staged)
	want := volume.Stats{
		Bytes:  volume.Usage{Total: 1000 * 4096, Used: 400 * 4096, Available: 500 * 4096},
		Inodes: volume.Usage{Total: 100, Used: 10, Available: 90},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Stats: %v (-want +got):\n%s", err, diff)
	}
}

func TestStatsOfHangingMountDoNotPileUp(t *testing.T) {
	node, v, staged := stage(t)
	hang := make(chan struct{})
	var asked atomic.Int32
	node.Fail = func(call string, _ ...string) error {
		if call == "statfs" {
			asked.Add(1)
			<-hang
		}
		return nil
	}
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if _, err := v.Stats(ctx, staged); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Stats of a hanging mount: %v, want DeadlineExceeded", err)
			}
		})
	}
	callers.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("statfs was called %d times, want once", n)
	}
	// The mount answers again: so do all who wait for it.
	answer := make(chan error)
	go func() { _, err := v.Stats(t.Context(), staged); answer <- err }()
	close(hang)
	if err := <-answer; err != nil {
		t.Errorf("Stats afterwards: %v", err)
	}
}

func TestSize(t *testing.T) {
	node := volumetest.New(t)
	v := volume.New(node.System())
	dev := node.AddDevice(gib, "")
	node.Resize(dev, 3*gib)
	if size, err := v.Size(dev.DevNum); err != nil || size != 3*gib {
		t.Errorf("Size: %d, %v, want %d", size, err, 3*gib)
	}
	if _, err := v.Size("259:42"); err == nil {
		t.Error("Size of a device that is not there succeeded")
	}
}

func TestCheckMountOption(t *testing.T) {
	good := []string{"ro", "noatime", "discard", "commit=30", "_netdev", "data=ordered",
		`context="system_u:object_r:container_file_t:s0:c12,c34"`}
	bad := []string{"", "bind", "rbind", "remount", "move", "loop", "loop=/dev/loop1", "offset=4096", "rshared",
		"ro,bind", "noatime\nbind", "a b", "x\x00", "logdev=/dev/sda", "journal_dev=0x801", "journal_path=/dev/sda",
		"x-mount.mkdir", "X-mount.subdir=/etc", "helper=evil", `context="a",bind,x="b"`, `context="a b"`, "BIND",
		"noatime\xff", string(slices.Repeat([]byte("a"), 513))}
	for _, o := range good {
		if err := volume.CheckMountOption(o); err != nil {
			t.Errorf("CheckMountOption(%q): %v", o, err)
		}
	}
	for _, o := range bad {
		if err := volume.CheckMountOption(o); !errors.Is(err, volume.ErrUnsupported) {
			t.Errorf("CheckMountOption(%q): %v, want ErrUnsupported", o, err)
		}
	}
}
