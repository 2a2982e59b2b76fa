package volume_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/volume"
	"github.com/braid-csi/braid/pkg/volume/volumetest"
)

const gib = 1 << 30

// mkdir returns a new directory below the test's own.
func mkdir(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// programs returns the calls to programs that begin with prefix.
func programs(n *volumetest.Node, prefix string) []string {
	var found []string
	for _, c := range n.Calls() {
		if strings.HasPrefix(c, prefix) {
			found = append(found, c)
		}
	}
	return found
}

func ext4() volume.FileSystem { return volume.FileSystem{Type: volume.Ext4} }

func TestMount(t *testing.T) {
	tests := map[string]struct {
		content string
		fs      volume.FileSystem
		want    error
		formats bool
		options string // which the mount is told
	}{
		"empty":                   {content: "", fs: ext4(), formats: true, options: "defaults"},
		"empty, xfs":              {content: "", fs: volume.FileSystem{Type: volume.XFS}, formats: true, options: "nouuid defaults"},
		"formatted":               {content: "ext4", fs: volume.FileSystem{Type: volume.Ext4, Options: []string{"noatime"}}, options: "noatime defaults"},
		"formatted, read-only":    {content: "ext4", fs: volume.FileSystem{Type: volume.Ext4, ReadOnly: true}, options: "ro defaults"},
		"read-only by option":     {content: "ext4", fs: volume.FileSystem{Type: volume.Ext4, Options: []string{"ro"}}, options: "ro ro defaults"},
		"empty, read-only":        {content: "", fs: volume.FileSystem{Type: volume.Ext4, ReadOnly: true}, want: volume.ErrEmptyReadOnly},
		"empty, read-only option": {content: "", fs: volume.FileSystem{Type: volume.Ext4, Options: []string{"ro"}}, want: volume.ErrEmptyReadOnly},
		"other file system":       {content: "xfs", fs: ext4(), want: volume.ErrForeignContent},
		"LUKS":                    {content: "crypto_LUKS", fs: ext4(), want: volume.ErrForeignContent},
		"LVM":                     {content: "LVM2_member", fs: ext4(), want: volume.ErrForeignContent},
		"file system not known":   {content: "", fs: volume.FileSystem{Type: "btrfs"}, want: volume.ErrUnsupported},
		"option that binds":       {content: "", fs: volume.FileSystem{Type: volume.Ext4, Options: []string{"bind"}}, want: volume.ErrUnsupported},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			node := volumetest.New(t)
			v := volume.New(node.System())
			dev := node.AddDevice(gib, tt.content)
			dir := mkdir(t, "staging")

			err := v.Mount(t.Context(), dev, dir, tt.fs)
			if !errors.Is(err, tt.want) {
				t.Fatalf("Mount: %v, want %v", err, tt.want)
			}
			if formatted := len(programs(node, "mkfs."+tt.fs.Type+" -")) > 0; formatted != tt.formats {
				t.Errorf("formatted: %t, want %t:\n%s", formatted, tt.formats, strings.Join(node.Calls(), "\n"))
			}
			mounts := programs(node, "mount ")
			if tt.want != nil {
				if len(mounts) > 0 || node.Content(dev) != tt.content {
					t.Errorf("refused, but did %q and left %q", mounts, node.Content(dev))
				}
				if errors.Is(err, volume.ErrForeignContent) && !strings.Contains(err.Error(), tt.content) {
					t.Errorf("error %q does not say what was found", err)
				}
				return
			}
			if want := []string{"mount " + tt.options + " " + dev.Path + " " + dir}; !slices.Equal(mounts, want) {
				t.Errorf("mounts %q, want %q", mounts, want)
			}

			// Once more: done already, and nothing happens.
			before := len(node.Calls())
			if err := v.Mount(t.Context(), dev, dir, tt.fs); err != nil {
				t.Errorf("second Mount: %v", err)
			}
			if again := node.Calls()[before:]; len(again) > 0 {
				t.Errorf("second Mount did %q", again)
			}
		})
	}
}

func TestMountChecksWhatIsThere(t *testing.T) {
	node := volumetest.New(t)
	v := volume.New(node.System())
	dev, other := node.AddDevice(gib, "ext4"), node.AddDevice(gib, "ext4")
	dir := mkdir(t, "staging")
	if err := v.Mount(t.Context(), dev, dir, ext4()); err != nil {
		t.Fatal(err)
	}
	before := len(node.Calls())
	for name, tt := range map[string]struct {
		mount func() error
		want  error
	}{
		"another device": {func() error { return v.Mount(t.Context(), other, dir, ext4()) }, volume.ErrOccupied},
		"another type":   {func() error { return v.Mount(t.Context(), dev, dir, volume.FileSystem{Type: volume.XFS}) }, volume.ErrDifferent},
		"another mode": {func() error {
			return v.Mount(t.Context(), dev, dir, volume.FileSystem{Type: volume.Ext4, ReadOnly: true})
		}, volume.ErrDifferent},
		"raw":                {func() error { return v.StageRaw(t.Context(), dev, dir) }, volume.ErrDifferent},
		"another device raw": {func() error { return v.StageRaw(t.Context(), other, dir) }, volume.ErrOccupied},
	} {
		if err := tt.mount(); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if did := node.Calls()[before:]; len(did) > 0 {
		t.Errorf("did %q", did)
	}
}

func TestMountRefusesWrongNode(t *testing.T) {
	node := volumetest.New(t)
	v := volume.New(node.System())
	dev := node.AddDevice(gib, "")
	dev.DevNum = "259:99"
	if err := v.Mount(t.Context(), dev, mkdir(t, "a"), ext4()); !errors.Is(err, volume.ErrWrongDevice) {
		t.Errorf("Mount: %v, want ErrWrongDevice", err)
	}
	if err := v.StageRaw(t.Context(), dev, mkdir(t, "b")); !errors.Is(err, volume.ErrWrongDevice) {
		t.Errorf("StageRaw: %v, want ErrWrongDevice", err)
	}
	if calls := node.Calls(); len(calls) > 0 {
		t.Errorf("did %q", calls)
	}
}

// A device that blkid can read the first time and not the second looks empty
// to mount-utils, which would format it.
func TestMountNeverFormatsWhatHeldData(t *testing.T) {
	node := volumetest.New(t)
	v := volume.New(node.System())
	dev := node.AddDevice(gib, "ext4")
	asked := 0
	node.Fail = func(call string, _ ...string) error {
		if call == "blkid" {
			if asked++; asked > 1 {
				return exitStatus(2)
			}
		}
		return nil
	}
	if err := v.Mount(t.Context(), dev, mkdir(t, "staging"), ext4()); err == nil {
		t.Error("Mount succeeded")
	}
	if formats := programs(node, "mkfs."); len(formats) > 0 {
		t.Errorf("formatted: %q", formats)
	}
}

func TestMountReportsDamage(t *testing.T) {
	node := volumetest.New(t)
	v := volume.New(node.System())
	dev := node.AddDevice(gib, "ext4")
	node.Fail = func(call string, _ ...string) error {
		if call == "fsck" {
			return exitStatus(4)
		}
		return nil
	}
	if err := v.Mount(t.Context(), dev, mkdir(t, "staging"), ext4()); !errors.Is(err, volume.ErrCorrupt) {
		t.Errorf("Mount: %v, want ErrCorrupt", err)
	}
	if mounts := node.Mounts(); len(mounts) > 0 {
		t.Errorf("mounted at %q", mounts)
	}
}

func TestMountOfWriteProtectedDevice(t *testing.T) {
	node := volumetest.New(t)
	v := volume.New(node.System())
	dev := node.AddDevice(gib, "ext4")
	node.Protect(dev)
	if err := v.Mount(t.Context(), dev, mkdir(t, "a"), ext4()); !errors.Is(err, volume.ErrReadOnly) {
		t.Errorf("Mount: %v, want ErrReadOnly", err)
	}
	if mounts := node.Mounts(); len(mounts) > 0 {
		t.Errorf("left mounted at %q", mounts)
	}
	if err := v.Mount(t.Context(), dev, mkdir(t, "b"), volume.FileSystem{Type: volume.Ext4, ReadOnly: true}); err != nil {
		t.Errorf("Mount read-only: %v", err)
	}
}

func TestMountLeavesHangingDeviceBehind(t *testing.T) {
	node := volumetest.New(t)
	v := volume.New(node.System())
	dev := node.AddDevice(gib, "ext4")
	dir := mkdir(t, "staging")
	hang := make(chan struct{})
	node.Fail = func(call string, _ ...string) error {
		if call == "fsck" {
			<-hang
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := v.Mount(ctx, dev, dir, ext4())
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, volume.ErrBusy) {
		t.Errorf("Mount of a hanging device: %v, want DeadlineExceeded and ErrBusy", err)
	}
	for name, try := range map[string]func() error{
		"Mount":   func() error { return v.Mount(t.Context(), dev, dir, ext4()) },
		"Unstage": func() error { return v.Unstage(t.Context(), dir) },
	} {
		if err := try(); !errors.Is(err, volume.ErrBusy) {
			t.Errorf("%s meanwhile: %v, want ErrBusy", name, err)
		}
	}
	close(hang)
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if err = v.Mount(t.Context(), dev, dir, ext4()); !errors.Is(err, volume.ErrBusy) {
			break
		}
	}
	if err != nil {
		t.Errorf("Mount afterwards: %v", err)
	}
	if mounts := programs(node, "mount "); len(mounts) != 1 {
		t.Errorf("mounted %d times: %q", len(mounts), mounts)
	}
}

func TestRaw(t *testing.T) {
	node := volumetest.New(t)
	v := volume.New(node.System())
	dev := node.AddDevice(gib, "crypto_LUKS")
	dir, target := mkdir(t, "staging"), filepath.Join(mkdir(t, "pod"), "target")

	for range 2 {
		if err := v.StageRaw(t.Context(), dev, dir); err != nil {
			t.Fatal(err)
		}
	}
	staged, ok, err := v.Staged(dir)
	want := volume.Mount{Path: filepath.Join(dir, "device"), DevNum: dev.DevNum}
	if err != nil || !ok {
		t.Fatalf("Staged: %t, %v", ok, err)
	}
	if diff := cmp.Diff(want, staged); diff != "" {
		t.Fatalf("Staged (-want +got):\n%s", diff)
	}
	for range 2 {
		if err := v.Publish(t.Context(), staged, target, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Publish(t.Context(), staged, target, true); !errors.Is(err, volume.ErrDifferent) {
		t.Errorf("Publish read-only over read-write: %v, want ErrDifferent", err)
	}
	stats, err := v.Stats(t.Context(), staged)
	if diff := cmp.Diff(volume.Stats{Bytes: volume.Usage{Total: gib}}, stats); err != nil || diff != "" {
		t.Errorf("Stats: %v (-want +got):\n%s", err, diff)
	}
	if err := v.Mount(t.Context(), dev, dir, ext4()); !errors.Is(err, volume.ErrDifferent) {
		t.Errorf("Mount where it is staged raw: %v, want ErrDifferent", err)
	}
	for range 2 {
		if err := v.Unpublish(t.Context(), target); err != nil {
			t.Fatal(err)
		}
		if err := v.Unstage(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
	}
	if mounts := node.Mounts(); len(mounts) > 0 {
		t.Errorf("still mounted: %q", mounts)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("the staging directory holds %v, %v", left, err)
	}
	if _, err := os.Lstat(target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the target is still there: %v", err)
	}
	if calls := programs(node, "mkfs"); len(calls) > 0 || node.Content(dev) != "crypto_LUKS" {
		t.Errorf("a raw device was written to: %q", calls)
	}
}

type exitStatus int

func (e exitStatus) Error() string   { return "exit status" }
func (e exitStatus) String() string  { return e.Error() }
func (e exitStatus) Exited() bool    { return true }
func (e exitStatus) ExitStatus() int { return int(e) }
