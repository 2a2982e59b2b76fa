package volume

import (
	"context"
	"fmt"

	"k8s.io/mount-utils"
)

// Grow grows the file system of dev, mounted at path, to the size of its
// device. One that fills the device already stays as it is. Growing ext4 while
// it is mounted takes CAP_SYS_RESOURCE (Linux fs/ext4/resize.c,
// ext4_resize_begin).
func (v *Volumes) Grow(ctx context.Context, dev Device, path string) error {
	return v.change(ctx, path, func() error {
		have, ok, err := v.Mounted(path)
		switch {
		case err != nil:
			return err
		case !ok:
			return fmt.Errorf("%w: %s", ErrNotMounted, path)
		case have.ReadOnly:
			return fmt.Errorf("%w: %s cannot grow", ErrReadOnly, path)
		}
		if err := have.Matches(Mount{Path: path, DevNum: dev.DevNum, FSType: have.FSType}); err != nil {
			return err
		}
		if err := v.check(dev); err != nil {
			return err
		}
		resizer := mount.NewResizeFs(v.sys.Exec)
		need, err := resizer.NeedResize(dev.Path, path)
		if err == nil && need {
			need, err = resizer.Resize(dev.Path, path)
		}
		if err == nil && !need {
			// resize2fs and xfs_growfs judge by themselves whether there is
			// anything to do, so "no need" means that they were not run.
			err = fmt.Errorf("%w: %s, or blkid cannot read it", ErrReadOnly, dev.Path)
		}
		return err
	})
}
