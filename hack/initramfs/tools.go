package initramfs

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// Tool is a host program the guest has, under the path it has on Debian.
type Tool struct {
	Name string
	// Package is the Debian package it comes from.
	Package string
}

// tools is what the node plugin calls, by itself or through mount-utils, plus
// what those programs call, and a shell.
var tools = []Tool{
	{"sh", "dash"}, {"cat", "coreutils"}, {"ls", "coreutils"}, {"sleep", "coreutils"}, {"uname", "coreutils"}, {"mkdir", "coreutils"}, {"grep", "grep"},
	{"mount", "mount"}, {"umount", "mount"},
	{"blkid", "util-linux"}, {"fsck", "util-linux"}, {"blockdev", "util-linux"},
	{"fsfreeze", "util-linux"}, {"findmnt", "util-linux"}, {"lsblk", "util-linux"},
	{"mke2fs", "e2fsprogs"}, {"mkfs.ext4", "e2fsprogs"}, {"e2fsck", "e2fsprogs"},
	{"fsck.ext4", "e2fsprogs"}, {"resize2fs", "e2fsprogs"}, {"dumpe2fs", "e2fsprogs"}, {"tune2fs", "e2fsprogs"},
	{"mkfs.xfs", "xfsprogs"}, {"fsck.xfs", "xfsprogs"}, {"xfs_repair", "xfsprogs"}, {"xfs_growfs", "xfsprogs"},
	{"xfs_io", "xfsprogs"}, {"xfs_db", "xfsprogs"}, {"xfs_admin", "xfsprogs"}, {"xfs_info", "xfsprogs"},
	{"kmod", "kmod"}, {"modprobe", "kmod"}, {"lsmod", "kmod"},
	{"dmsetup", "dmsetup"},
	{"nvme", "nvme-cli"},
}

// hostTools is what runs on the host only.
var hostTools = []Tool{
	{"qemu-system-x86_64", "qemu-system-x86"},
	{"apt-get", "apt"}, {"dpkg", "dpkg"}, {"xz", "xz-utils"}, {"depmod", "kmod"},
}

// toolDirs also has the folders an ordinary user's PATH lacks.
var toolDirs = []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"}

// find returns the host path of a tool, "" if it is missing.
func (t Tool) find() string {
	for _, dir := range toolDirs {
		p := path.Join(dir, t.Name)
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return p
		}
	}
	return ""
}

// MissingPackages names the Debian packages of the tools this machine lacks.
func MissingPackages() []string {
	var missing []string
	for _, t := range slices.Concat(hostTools, tools) {
		if t.find() == "" && !slices.Contains(missing, t.Package) {
			missing = append(missing, t.Package)
		}
	}
	if _, err := os.Stat(archiveKeys); err != nil {
		missing = append(missing, "debian-archive-keyring")
	}
	return missing
}

const archiveKeys = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Tools adds the tools to the tree.
func (t *Tree) Tools() error {
	if missing := MissingPackages(); len(missing) > 0 {
		return fmt.Errorf("the test bed needs the packages %s: run braid-vm setup", strings.Join(missing, " "))
	}
	for _, tool := range tools {
		host := tool.find()
		if err := t.Program(host, host); err != nil {
			return fmt.Errorf("adding %s: %w", tool.Name, err)
		}
	}
	return nil
}
