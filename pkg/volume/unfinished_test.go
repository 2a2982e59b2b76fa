package volume

import (
	"errors"
	"strings"
	"testing"
)

// TestUnfinishedXFS has mkfs.xfs end before its last write, which takes the mark
// of work in progress out of the superblock.
func TestUnfinishedXFS(t *testing.T) {
	program(t, "mkfs.xfs", "xfsprogs")
	program(t, "xfs_db", "xfsprogs")
	program(t, "blkid", "util-linux")
	v, dev := disk(t, 512<<20)
	v.formatForTest(t, dev, XFS)
	ours, err := v.xfsUUIDFor(dev.DevNum)
	if err != nil {
		t.Fatal(err)
	}
	write := func(command string) { run(t, "xfs_db", "-x", "-c", "sb 0", "-c", command, dev.Path) }
	label := func() string { return run(t, "xfs_db", "-r", "-c", "label", dev.Path) }
	unfinished := func(want bool) {
		t.Helper()
		if got, err := unfinishedXFS(dev.Path, ours); err != nil || got != want {
			t.Fatalf("unfinished: %t, %v; want %t", got, err, want)
		}
	}
	unfinished(false)
	if got := run(t, "xfs_db", "-r", "-c", "uuid", dev.Path); !strings.Contains(got, ours.String()) {
		t.Fatalf("%s, want %s", got, ours)
	}
	run(t, "xfs_db", "-x", "-c", "label before", dev.Path)
	write("write -d inprogress 1")
	if got, err := v.content(dev.Path); err != nil || got != XFS {
		t.Fatalf("blkid says %q, %v: the test is about one that it takes for xfs", got, err)
	}
	unfinished(true)

	for _, refused := range []struct {
		fs   FileSystem
		want error
	}{
		{FileSystem{Type: XFS, ReadOnly: true}, ErrEmptyReadOnly},
		{FileSystem{Type: Ext4}, ErrForeignContent},
	} {
		if err := v.formatAndMount(testLogger(t), dev, t.TempDir(), refused.fs); !errors.Is(err, refused.want) {
			t.Errorf("%+v: %v, want %v", refused.fs, err, refused.want)
		}
	}
	unfinished(true)
	v.formatForTest(t, dev, XFS)
	unfinished(false)
	if got := label(); strings.Contains(got, "before") {
		t.Errorf("%s: it was not formatted again", got)
	}

	// What somebody else did not finish stays: a copy, say.
	run(t, "xfs_db", "-x", "-c", "label before", dev.Path)
	write("write -d uuid 6f1c6d8e-0000-4000-8000-000000000001")
	write("write -d inprogress 1")
	unfinished(false)
	v.formatForTest(t, dev, XFS) // the mounter is a fake: the kernel would refuse
	write("write -d inprogress 0")
	if got := label(); !strings.Contains(got, "before") {
		t.Errorf("%s: somebody's file system was formatted", got)
	}
}

// TestNoIdentity: of a device that does not say who it is nothing is ever taken
// for our own unfinished work.
func TestNoIdentity(t *testing.T) {
	v := New(System{Sysfs: t.TempDir()})
	if u, err := v.xfsUUIDFor("259:0"); u != (uuid{}) || err != nil {
		t.Errorf("UUID %s, %v; want none", u, err)
	}
	if got, err := unfinishedXFS("/nonexistent", uuid{}); got || err != nil {
		t.Errorf("unfinished %t, %v; want no look at the device", got, err)
	}
}
