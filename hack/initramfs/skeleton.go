package initramfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// mke2fsConf is used where the machine has none: without one mke2fs falls back
// to features of ext2.
const mke2fsConf = `[defaults]
	base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
	default_mntopts = acl,user_xattr
	enable_periodic_fsck = 0
	blocksize = 4096
	inode_size = 256
	inode_ratio = 16384

[fs_types]
	ext4 = {
		features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
	}
	small = {
		inode_ratio = 4096
	}
`

// Skeleton adds the folders and files programs expect on any machine.
func (t *Tree) Skeleton() error {
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run", "/mnt", "/etc", "/out", "/var/lib", "/var/log", "/usr/local/bin"} {
		t.Dir(dir, 0o755)
	}
	t.Dir("/root", 0o700)
	t.Dir("/tmp", 0o1777)
	t.Dir("/var/tmp", 0o1777)
	t.Link("/var/run", "/run")
	t.Console("/dev/console")

	t.Content("/etc/passwd", []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"), 0o644)
	t.Content("/etc/group", []byte("root:x:0:\ndisk:x:6:\nnogroup:x:65534:\n"), 0o644)
	t.Content("/etc/hosts", []byte("127.0.0.1 localhost\n::1 localhost\n"), 0o644)
	t.Content("/etc/nsswitch.conf", []byte("passwd: files\ngroup: files\nhosts: files\n"), 0o644)
	t.Content("/etc/fstab", nil, 0o644)
	t.Link("/etc/mtab", "/proc/self/mounts")

	conf, err := os.ReadFile("/etc/mke2fs.conf")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("initramfs: %w", err)
	}
	if len(conf) == 0 {
		conf = []byte(mke2fsConf)
	}
	t.Content("/etc/mke2fs.conf", conf, 0o644)
	return nil
}
