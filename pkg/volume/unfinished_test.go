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
	uuid := func() string { return run(t, "xfs_db", "-r", "-c", "uuid", dev.Path) }
	before := uuid()
	run(t, "xfs_db", "-x", "-c", "sb 0", "-c", "write -d inprogress 1", dev.Path)
	if got, err := v.content(dev.Path); err != nil || got != XFS {
		t.Fatalf("blkid says %q, %v: the test is about one that it takes for xfs", got, err)
	}

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
	if unfinished, err := unfinishedXFS(dev.Path); err != nil || !unfinished {
		t.Fatalf("refused requests changed the device: unfinished %t, %v", unfinished, err)
	}
	v.formatForTest(t, dev, XFS)
	after := uuid()
	if unfinished, err := unfinishedXFS(dev.Path); err != nil || unfinished || after == before {
		t.Errorf("unfinished %t, %v, %s; want another file system than %s", unfinished, err, after, before)
	}
	// From now on it is somebody's.
	v.formatForTest(t, dev, XFS)
	if again := uuid(); strings.TrimSpace(again) != strings.TrimSpace(after) {
		t.Errorf("%s was formatted again, it is %s now", after, again)
	}
}
