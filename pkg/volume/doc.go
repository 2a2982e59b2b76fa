// Package volume turns a block device into a file system or a device node at
// a path, and back: format, mount, bind, grow, measure, unmount. It knows
// block devices and directories, nothing of NVMe or CSI.
//
// Three rules hold throughout.
//
// The kernel's mount table says what is mounted where. "Something is mounted,
// so it is done" is never concluded: the device number must be the right one.
// A device number cannot be given to another disk while a mount holds it
// (Linux block/bdev.c, bdev_free_inode), so it identifies the device.
//
// A device may stop answering at any time, and whoever waits for it then hangs
// in the kernel. Everything that may touch a device runs in a goroutine that
// the caller leaves behind when its context ends; as long as it runs, nothing
// else is started for the same path (ErrBusy).
//
// Data is sacred: a device is formatted only if its ends can be read and blkid
// finds nothing on it, or nothing but an xfs whose mkfs was interrupted; and
// nothing is ever removed recursively.
package volume
