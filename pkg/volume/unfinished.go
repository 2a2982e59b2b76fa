package volume

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/braid-csi/braid/pkg/faultpoint"
)

// The superblock of xfs (Linux fs/xfs/libxfs/xfs_format.h, struct xfs_dsb).
const (
	xfsSuperblock = 512 // bytes
	xfsUUID       = 32  // offset of sb_uuid, of 16 bytes
	xfsInProgress = 126 // offset of sb_inprogress
)

var xfsMagic = []byte("XFSB")

// uuid is that of a file system.
type uuid [16]byte

func (u uuid) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// xfsUUIDFor returns the UUID that Braid gives an xfs on a device: one made of
// the namespace's identity, in version 8, "custom" (RFC 9562). So Braid knows
// its own work again, on any node and without a record; the zero value where
// the device does not tell who it is.
func (v *Volumes) xfsUUIDFor(devNum string) (uuid, error) {
	wwid, err := os.ReadFile(filepath.Join(v.sys.Sysfs, "dev/block", devNum, "wwid"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(wwid)) == 0 {
		return uuid{}, nil
	}
	if err != nil {
		return uuid{}, err
	}
	sum := sha256.Sum256(append([]byte("braid xfs "), bytes.TrimSpace(wwid)...))
	u := uuid(sum[:16])
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return u, nil
}

// unfinishedXFS tells whether mkfs.xfs was begun by Braid on a device and did
// not come to its end. It writes a superblock at once, by which blkid knows the
// file system, and takes the mark of work in progress out of it at last. No
// kernel mounts a file system with that mark, so nothing was ever stored in it;
// and to mount it is to fail for ever, though all that is missing is another
// mkfs. (mke2fs writes the superblock last: a device that it did not finish
// looks empty.)
//
// Copies and restores that were interrupted have the mark too (xfs_copy(8),
// xfs_mdrestore(8)). Those are somebody's data, and do not have our UUID.
func unfinishedXFS(path string, ours uuid) (bool, error) {
	if ours == (uuid{}) {
		return false, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	sb := make([]byte, xfsSuperblock)
	if _, err := f.ReadAt(sb, 0); err != nil {
		return false, err
	}
	return bytes.HasPrefix(sb, xfsMagic) && sb[xfsInProgress] != 0 && bytes.Equal(sb[xfsUUID:][:len(ours)], ours[:]), nil
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
