package volume

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/braid-csi/braid/pkg/faultpoint"
)

// The superblock of xfs (Linux fs/xfs/libxfs/xfs_format.h, struct xfs_dsb).
const (
	xfsSuperblock = 512 // bytes
	xfsInProgress = 126 // offset of sb_inprogress
)

var xfsMagic = []byte("XFSB")

// unfinishedXFS tells whether mkfs.xfs began on a device and did not come to its
// end. It writes a superblock at once, by which blkid knows the file system, and
// takes the mark of work in progress out of it at last. No kernel mounts a file
// system with that mark, so nothing was ever stored in it; and to mount it is to
// fail for ever, though all that is missing is another mkfs. (mke2fs writes the
// superblock last: a device that it did not finish looks empty.)
func unfinishedXFS(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	sb := make([]byte, xfsSuperblock)
	if _, err := f.ReadAt(sb, 0); err != nil {
		return false, err
	}
	return bytes.HasPrefix(sb, xfsMagic) && sb[xfsInProgress] != 0, nil
}

// discardUnfinishedXFS makes the device look as empty as it is, for mkfs.xfs to
// begin anew.
func discardUnfinishedXFS(path string) error {
	// O_EXCL: not while the device is mounted or held by anybody (open(2)).
	f, err := os.OpenFile(path, os.O_RDWR|os.O_EXCL, 0)
	if err != nil {
		return err
	}
	faultpoint.Before("discard", path)
	_, err = f.WriteAt(make([]byte, xfsSuperblock), 0)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("discarding an unfinished file system: %w", err)
	}
	return nil
}
