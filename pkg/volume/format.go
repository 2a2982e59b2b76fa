package volume

import (
	"slices"
	"strings"
)

// The file systems.
const (
	Ext4 = "ext4"
	XFS  = "xfs"
)

// FSTypes are the file systems that volumes may have.
func FSTypes() []string { return []string{Ext4, XFS} }

// A file system may be mounted on any node, so it is made for the oldest
// kernel that is supported, Linux 6.1, and not with what the mkfs of the day
// thinks best. Space is not discarded: the time that takes grows with the
// volume, many arrays are slow at it, and a new namespace has nothing to give
// back; fstrim or the mount option discard do it later.

// ext4Options spell every feature out ("none" drops all defaults), so neither
// mke2fs.conf nor a newer mke2fs adds any. Left out on purpose:
//   - orphan_file, default from e2fsprogs 1.47 on: e2fsck before 1.47 refuses it
//   - metadata_csum_seed, likewise a default: it only helps to change the UUID
//     of a mounted file system, and older boot loaders and tools stumble on it
//   - fast_commit: young, and off by default
//   - casefold, encrypt, verity, quota, project: nobody asked for them
//   - bigalloc, inline_data, mmp: change how the volume behaves
var ext4Options = []string{
	"-O", "none," + strings.Join([]string{
		"has_journal",   // survive a crash
		"ext_attr",      // labels, ACLs
		"resize_inode",  // room for descriptors when growing online
		"dir_index",     // large directories
		"filetype",      // readdir without reading inodes
		"extent",        // large files without indirect blocks
		"64bit",         // grow beyond 16 TiB
		"flex_bg",       // group metadata together
		"sparse_super",  // fewer copies of the superblock
		"large_file",    // files beyond 2 GiB
		"huge_file",     // files beyond 2 TiB
		"dir_nlink",     // more than 65,000 subdirectories
		"extra_isize",   // nanosecond times, creation times
		"metadata_csum", // notice what the network or the array damaged
	}, ","),
	// mke2fs.conf picks smaller blocks and inodes for small volumes, which
	// then serve badly once grown, and inodes of 128 bytes end in 2038.
	"-b", "4096",
	"-I", "256",
	"-E", "nodiscard",
}

// xfsFeatures is every feature that some mkfs.xfs lets one choose, set to what
// xfsprogs' own profile for Linux 6.1 has (mkfs/lts_6.1.conf). One that the
// installed mkfs.xfs does not know it cannot turn on either.
var xfsFeatures = []struct{ flag, name, value string }{
	{"-m", "crc", "1"},        // checksums; Linux 3.10
	{"-m", "finobt", "1"},     // free inode tree; 3.16
	{"-m", "reflink", "1"},    // copies without copying; 4.16
	{"-m", "inobtcount", "1"}, // mounts large volumes faster; 5.10
	{"-m", "bigtime", "1"},    // times after 2038; 5.10
	{"-m", "rmapbt", "0"},     // costs space and writes; on in the profile for Linux 6.6
	{"-m", "metadir", "0"},    // Linux 6.13
	{"-i", "sparse", "1"},     // inodes on a full, fragmented volume; 4.2
	{"-i", "nrext64", "0"},    // experimental in Linux 6.1; on in the profile for 6.6
	{"-i", "exchange", "0"},   // Linux 6.10
	{"-n", "parent", "0"},     // Linux 6.10
}

// formatOptions returns the options for mkfs; those that make mkfs overwrite a
// device and reserve no blocks, mount-utils adds. An xfs gets the UUID ours,
// unless it is zero.
func (v *Volumes) formatOptions(fsType string, ours uuid) []string {
	if fsType != XFS {
		return slices.Clone(ext4Options)
	}
	// Without arguments mkfs.xfs prints its options and fails.
	usage, _ := v.sys.Exec.Command("mkfs.xfs").CombinedOutput()
	options := []string{"-K"}
	for _, f := range xfsFeatures {
		if strings.Contains(string(usage), f.name+"=0|1") {
			options = append(options, f.flag, f.name+"="+f.value)
		}
	}
	if ours != (uuid{}) {
		options = append(options, "-m", "uuid="+ours.String())
	}
	return options
}
