// Package programs has the programs that braid-node calls, for the image that
// it comes in: from Debian's packages for the image's platform, with what they
// are loaded with, and with nothing else.
//
// They are found by reading: ELF files say what they are loaded with, so that
// one machine makes images for all.
package programs

// program is one that is called, and by whom.
type program struct {
	path, user string
}

// all is what braid-node calls by itself, through k8s.io/mount-utils v0.37, or
// through another program here. Those that mount-utils has for btrfs, or for a
// machine with systemd, are never reached.
var all = []program{
	{"/usr/bin/mount", "mount-utils: stage, publish"},
	{"/usr/bin/umount", "mount-utils: unstage, unpublish"},
	{"/usr/sbin/blkid", "pkg/volume, mount-utils: what is on a device"},
	{"/usr/sbin/blockdev", "mount-utils: whether a device is read-only"},
	{"/usr/sbin/fsck", "mount-utils: before a file system is mounted"},
	{"/usr/sbin/fsck.ext4", "fsck"},
	{"/usr/sbin/fsck.xfs", "fsck; it leaves everything to the kernel, and says so"},
	{"/usr/bin/sh", "fsck.xfs, which is a script"},
	{"/usr/sbin/xfs_repair", "fsck.xfs -f; and root, where the kernel finds damage"},
	{"/usr/sbin/mkfs.ext4", "mount-utils: format"},
	{"/usr/sbin/mkfs.xfs", "pkg/volume, mount-utils: format"},
	{"/usr/bin/false", "pkg/volume, in the place of mkfs where nothing must be formatted"},
	{"/usr/sbin/resize2fs", "mount-utils: grow"},
	{"/usr/sbin/xfs_growfs", "mount-utils: grow"},
	{"/usr/sbin/modprobe", "pkg/multipath/native: nvme-tcp"},
}

// configs are files that the programs read.
var configs = []string{
	"/etc/mke2fs.conf", // without it mkfs.ext4 warns, although it is told everything
}

// osRelease says which Debian this is, to whoever looks for known holes in its
// packages.
const osRelease = "/usr/lib/os-release"
