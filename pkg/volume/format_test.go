package volume

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/mount-utils"
	utilexec "k8s.io/utils/exec"
)

// These tests run the programs of this machine on regular files.

// program fails the test if a program is missing: what cannot be tested must
// not look tested.
func program(t *testing.T, name, debianPackage string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is needed (Debian package %s): %v", name, debianPackage, err)
	}
}

// disk returns a file that serves as a device, and the volumes of a system
// where it is one, with the real programs and a fake mount.
func disk(t *testing.T, size int64) (*Volumes, Device) {
	t.Helper()
	dev := Device{Path: filepath.Join(t.TempDir(), "disk"), DevNum: "259:0"}
	f, err := os.Create(dev.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		t.Fatal(err)
	}
	sysfs := t.TempDir()
	device := filepath.Join(sysfs, "dev/block", dev.DevNum)
	if err := os.MkdirAll(device, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(device, "wwid"), []byte("uuid.b4a1d000-0000-4000-8000-000000000001\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return New(System{
		Mounter:      mount.NewFakeMounter(nil),
		Exec:         utilexec.New(),
		Sysfs:        sysfs,
		DeviceNumber: func(string) (string, error) { return dev.DevNum, nil },
	}), dev
}

// run returns the output of a program.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (v *Volumes) formatForTest(t *testing.T, dev Device, fsType string) {
	t.Helper()
	err := v.formatAndMount(testLogger(t), dev, t.TempDir(), FileSystem{Type: fsType})
	if err != nil {
		t.Fatalf("formatting as %s: %v", fsType, err)
	}
}

func TestExt4Profile(t *testing.T) {
	program(t, "mkfs.ext4", "e2fsprogs")
	program(t, "dumpe2fs", "e2fsprogs")
	program(t, "blkid", "util-linux")
	v, dev := disk(t, 64<<20)
	v.formatForTest(t, dev, Ext4)

	fields := map[string]string{}
	for line := range strings.Lines(run(t, "dumpe2fs", "-h", dev.Path)) {
		if k, value, ok := strings.Cut(line, ":"); ok {
			fields[k] = strings.TrimSpace(value)
		}
	}
	want := strings.Fields("has_journal ext_attr resize_inode dir_index filetype extent 64bit flex_bg sparse_super large_file huge_file dir_nlink extra_isize metadata_csum")
	got := strings.Fields(fields["Filesystem features"])
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("features\n%q, want\n%q", got, want)
	}
	for field, want := range map[string]string{"Block size": "4096", "Inode size": "256", "Reserved block count": "0"} {
		if fields[field] != want {
			t.Errorf("%s is %q, want %q", field, fields[field], want)
		}
	}
	if got, err := v.content(dev.Path); err != nil || got != Ext4 {
		t.Errorf("content: %q, %v", got, err)
	}
	// Found again, checked with the real fsck, not formatted.
	uuid := fields["Filesystem UUID"]
	v.formatForTest(t, dev, Ext4)
	if out := run(t, "dumpe2fs", "-h", dev.Path); !strings.Contains(out, uuid) {
		t.Error("the file system was made anew")
	}
}

func TestXFSProfile(t *testing.T) {
	program(t, "mkfs.xfs", "xfsprogs")
	program(t, "xfs_db", "xfsprogs")
	program(t, "blkid", "util-linux")
	v, dev := disk(t, 512<<20)
	v.formatForTest(t, dev, XFS)

	// versionnum [0xb4a5+0x18a] = V5,NLINK,DIRV2,...
	_, list, _ := strings.Cut(run(t, "xfs_db", "-r", "-c", "version", dev.Path), " = ")
	got := strings.Split(strings.TrimSpace(list), ",")
	for _, want := range []string{"V5", "CRC", "FINOBT", "SPARSE_INODES", "REFLINK", "INOBTCNT", "BIGTIME"} {
		if !slices.Contains(got, want) {
			t.Errorf("feature %s is missing: %q", want, got)
		}
	}
	for _, bad := range []string{"RMAPBT", "NREXT64", "EXCHANGE", "PARENT", "METADIR", "RTGROUPS", "ZONED"} {
		if slices.Contains(got, bad) {
			t.Errorf("feature %s is on: %q", bad, got)
		}
	}
	if got, err := v.content(dev.Path); err != nil || got != XFS {
		t.Errorf("content: %q, %v", got, err)
	}
}

// usageOf616 is a part of what mkfs.xfs of xfsprogs 6.16 prints; it knows
// features that this machine's may not.
const usageOf616 = `/* metadata */		[-m crc=0|1,finobt=0|1,uuid=xxx,rmapbt=0|1,reflink=0|1,
			    inobtcount=0|1,bigtime=0|1,autofsck=xxx,
			    metadir=0|1]
/* inode size */	[-i perblock=n|size=num,maxpct=n,attr=0|1|2,
			    projid32bit=0|1,sparse=0|1,nrext64=0|1,
			    exchange=0|1]
/* naming */		[-n size=num,version=2|ci,ftype=0|1,parent=0|1]
`

// printer is a system on which every program prints the same.
type printer struct {
	utilexec.Interface
	text string
}

func (p printer) Command(string, ...string) utilexec.Cmd {
	return p.Interface.Command("printf", "%s", p.text)
}

func TestXFSProfileOfNewerMkfs(t *testing.T) {
	v := New(System{Exec: printer{utilexec.New(), usageOf616}})
	got := strings.Join(v.formatOptions(XFS, uuid{0xb4, 15: 1}), " ")
	want := "-K -m crc=1 -m finobt=1 -m reflink=1 -m inobtcount=1 -m bigtime=1 -m rmapbt=0 -m metadir=0" +
		" -i sparse=1 -i nrext64=0 -i exchange=0 -n parent=0 -m uuid=b4000000-0000-0000-0000-000000000001"
	if got != want {
		t.Errorf("options\n%s, want\n%s", got, want)
	}
}

func TestContent(t *testing.T) {
	program(t, "blkid", "util-linux")
	program(t, "mkswap", "util-linux")

	v, dev := disk(t, 8<<20)
	if got, err := v.content(dev.Path); err != nil || got != "" {
		t.Errorf("empty: %q, %v", got, err)
	}
	run(t, "mkswap", dev.Path)
	if got, err := v.content(dev.Path); err != nil || got != "swap" {
		t.Errorf("swap: %q, %v", got, err)
	}
	// A master boot record with one Linux partition of 1 MiB at 1 MiB.
	v, dev = disk(t, 8<<20)
	mbr := make([]byte, 512)
	copy(mbr[446:], []byte{0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0})
	copy(mbr[510:], []byte{0x55, 0xaa})
	f, err := os.OpenFile(dev.Path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = f.Write(mbr); errors.Join(err, f.Close()) != nil {
		t.Fatal(err)
	}
	if got, err := v.content(dev.Path); err != nil || got != "a partition table (dos)" {
		t.Errorf("partitions: %q, %v", got, err)
	}
	if err := v.formatAndMount(testLogger(t), dev, t.TempDir(), FileSystem{Type: Ext4}); !errors.Is(err, ErrForeignContent) {
		t.Errorf("formatting a partitioned disk: %v, want ErrForeignContent", err)
	}
}

// What cannot be read is never empty, whatever blkid says about it.
func TestContentOfUnreadableDevice(t *testing.T) {
	v, dev := disk(t, 0)
	for name, path := range map[string]string{
		"no size":    dev.Path,
		"missing":    dev.Path + "x",
		"read error": t.TempDir(), // reading a directory fails
	} {
		if got, err := v.content(path); err == nil {
			t.Errorf("%s: content is %q, want an error", name, got)
		}
	}
}

func TestReadEnds(t *testing.T) {
	for _, size := range []int64{1, tailBytes, tailBytes + 1, headBytes, headBytes + 1, 3 * headBytes} {
		_, dev := disk(t, size)
		if err := readEnds(dev.Path); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if err := readEnds(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if err := readEnds(t.TempDir()); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("directory: %v", err)
	}
}

func TestSignature(t *testing.T) {
	for out, want := range map[string]string{
		"DEVNAME=/dev/x\nTYPE=ext4\n":             "ext4",
		"DEVNAME=/dev/x\nPTTYPE=dos\n":            "a partition table (dos)",
		"DEVNAME=/dev/x\nTYPE=vfat\nPTTYPE=dos\n": "vfat and a partition table (dos)",
		"DEVNAME=/dev/x\n":                        "something that blkid does not name",
		"":                                        "something that blkid does not name",
	} {
		if got := signature(out); got != want {
			t.Errorf("signature(%q): %q, want %q", out, got, want)
		}
	}
}
