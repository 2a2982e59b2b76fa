package volume_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/volume"
	"github.com/braid-csi/braid/pkg/volume/volumetest"
)

// stage returns volumes with one ext4 volume staged.
func stage(t *testing.T) (*volumetest.Node, *volume.Volumes, volume.Mount) {
	t.Helper()
	node := volumetest.New(t)
	v := volume.New(node.System())
	dir := mkdir(t, "staging")
	if err := v.Mount(t.Context(), node.AddDevice(gib, "ext4"), dir, ext4()); err != nil {
		t.Fatal(err)
	}
	m, ok, err := v.Staged(dir)
	if err != nil || !ok {
		t.Fatalf("Staged: %t, %v", ok, err)
	}
	return node, v, m
}

func TestPublish(t *testing.T) {
	_, v, staged := stage(t)
	for _, readOnly := range []bool{false, true} {
		// A space is written \040 in the mount table.
		target := filepath.Join(mkdir(t, "my pod"), "target")
		for range 2 {
			if err := v.Publish(t.Context(), staged, target, readOnly); err != nil {
				t.Fatal(err)
			}
		}
		got, _, err := v.Mounted(target)
		want := volume.Mount{Path: target, DevNum: staged.DevNum, FSType: "ext4", ReadOnly: readOnly}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("Mounted: %v (-want +got):\n%s", err, diff)
		}
		if err := v.Publish(t.Context(), staged, target, !readOnly); !errors.Is(err, volume.ErrDifferent) {
			t.Errorf("Publish with readOnly %t over %t: %v, want ErrDifferent", !readOnly, readOnly, err)
		}
		other := staged
		other.DevNum = "259:77"
		if err := v.Publish(t.Context(), other, target, readOnly); !errors.Is(err, volume.ErrOccupied) {
			t.Errorf("Publish of another device: %v, want ErrOccupied", err)
		}
	}
	mounts, err := v.MountsOf(staged.DevNum)
	if err != nil || len(mounts) != 3 {
		t.Errorf("MountsOf: %v, %v, want the staging mount and two targets", mounts, err)
	}
}

func TestPublishFindsMountThroughSymlink(t *testing.T) {
	_, v, staged := stage(t)
	pods := mkdir(t, "pods")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(pods, link); err != nil {
		t.Fatal(err)
	}
	if err := v.Publish(t.Context(), staged, filepath.Join(pods, "target"), false); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := v.Mounted(filepath.Join(link, "target")); err != nil || !ok {
		t.Errorf("Mounted through a symbolic link: %t, %v", ok, err)
	}
}

func TestPublishLeavesNothingBehind(t *testing.T) {
	node, v, staged := stage(t)
	failure := errors.New("no")
	node.Fail = func(call string, _ ...string) error {
		if call == "mount" {
			return failure
		}
		return nil
	}
	target := filepath.Join(mkdir(t, "pod"), "target")
	if err := v.Publish(t.Context(), staged, target, false); !errors.Is(err, failure) {
		t.Errorf("Publish: %v, want %v", err, failure)
	}
	if _, err := os.Lstat(target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the target was left behind: %v", err)
	}
	// What was there before stays.
	if err := os.Mkdir(target, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := v.Publish(t.Context(), staged, target, false); !errors.Is(err, failure) {
		t.Errorf("Publish: %v, want %v", err, failure)
	}
	if _, err := os.Lstat(target); err != nil {
		t.Errorf("the target was removed: %v", err)
	}
}

func TestPublishRefusesWhatIsInTheWay(t *testing.T) {
	node, v, staged := stage(t)
	raw := staged
	raw.FSType = ""
	before := len(node.Calls())
	for name, tt := range map[string]struct {
		staged volume.Mount
		put    func(path string) error
	}{
		"a file for a file system":  {staged, func(p string) error { return os.WriteFile(p, nil, 0o600) }},
		"a directory for a device":  {raw, func(p string) error { return os.Mkdir(p, 0o700) }},
		"a symbolic link to a dir":  {staged, func(p string) error { return os.Symlink("/", p) }},
		"a symbolic link to a file": {raw, func(p string) error { return os.Symlink("/etc/passwd", p) }},
	} {
		target := filepath.Join(mkdir(t, "pod"), "target")
		if err := tt.put(target); err != nil {
			t.Fatal(err)
		}
		if err := v.Publish(t.Context(), tt.staged, target, false); !errors.Is(err, volume.ErrOccupied) {
			t.Errorf("%s: %v, want ErrOccupied", name, err)
		}
	}
	if did := node.Calls()[before:]; len(did) > 0 {
		t.Errorf("did %q", did)
	}
}

func TestUnpublish(t *testing.T) {
	node, v, staged := stage(t)
	target := filepath.Join(mkdir(t, "pod"), "target")
	if err := v.Publish(t.Context(), staged, target, false); err != nil {
		t.Fatal(err)
	}
	// Mounts may be stacked, for instance by a kubelet that lost its memory.
	if err := node.Mount(staged.Path, target, "", []string{"bind"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := v.Unpublish(t.Context(), target); err != nil {
			t.Fatal(err)
		}
	}
	if mounts := node.Mounts(); len(mounts) != 1 {
		t.Errorf("mounted: %q, want the staging path only", mounts)
	}
	if err := v.Unpublish(t.Context(), filepath.Join(target, "never", "was")); err != nil {
		t.Errorf("Unpublish of what never was: %v", err)
	}

	if err := os.MkdirAll(filepath.Join(target, "data"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := v.Unpublish(t.Context(), target); err == nil {
		t.Error("Unpublish of a directory with something in it succeeded")
	}
	if _, err := os.Stat(filepath.Join(target, "data")); err != nil {
		t.Errorf("it was removed: %v", err)
	}
}

func TestUnpublishKeepsTargetThatCannotBeUnmounted(t *testing.T) {
	node, v, staged := stage(t)
	target := filepath.Join(mkdir(t, "pod"), "target")
	if err := v.Publish(t.Context(), staged, target, false); err != nil {
		t.Fatal(err)
	}
	busy := errors.New("target is busy")
	node.Fail = func(call string, _ ...string) error {
		if call == "umount" {
			return busy
		}
		return nil
	}
	if err := v.Unpublish(t.Context(), target); !errors.Is(err, busy) {
		t.Errorf("Unpublish: %v, want %v", err, busy)
	}
	if _, err := os.Lstat(target); err != nil {
		t.Errorf("the target is gone: %v", err)
	}
}

func TestUnstageKeepsUserFiles(t *testing.T) {
	node, v, staged := stage(t)
	// In this fake, files below a mount point are files of the directory
	// below it: this one stands for a user's file named as the raw device.
	file := filepath.Join(staged.Path, "device")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := v.Unstage(t.Context(), staged.Path); !errors.Is(err, volume.ErrOccupied) {
		t.Errorf("Unstage: %v, want ErrOccupied", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the file was removed: %v", err)
	}
	if mounts := node.Mounts(); len(mounts) > 0 {
		t.Errorf("still mounted: %q", mounts)
	}
}
