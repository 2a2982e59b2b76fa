package e2e

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/nvmehost"
)

// traces are what a volume leaves on a node while it is there. Two volumes that
// went through the same have the same, whatever their devices are called.
type traces struct {
	Mounts      []string // below the CO's directory: path, file system, mode
	Files       []string // the same, but not what is in a mount
	State       []string // braid-node's, without the ledger's books
	Claims      []string // in the registry of controllers, sorted
	Controllers int
}

// claimFiles are what braid-node writes to claim one controller.
var claimFiles = []string{"braid-epoch", "owner"}

func (c *crash) traces() (t traces, err error) {
	if t.Mounts, err = mountsBelow(c.dir); err != nil {
		return t, err
	}
	if t.Files, err = filesBelow(c.dir, t.Mounts); err != nil {
		return t, err
	}
	if t.State, err = filesBelow(c.stateDir, nil); err != nil {
		return t, err
	}
	t.State = slices.DeleteFunc(t.State, func(f string) bool { return strings.HasPrefix(f, "/ledger/") && strings.HasSuffix(f, ".json") })
	claims, err := filesBelow("/run/nvme/registry", nil)
	if err != nil {
		return t, err
	}
	for _, f := range claims {
		if strings.Count(f, "/") > 1 { // the file, whichever controller it is about
			t.Claims = append(t.Claims, filepath.Base(f))
		}
	}
	slices.Sort(t.Claims)
	controllers, err := nvmehost.Controllers()
	t.Controllers = len(controllers)
	return t, err
}

// mountsBelow lists mounts in the kernel's order (proc(5), mountinfo).
func mountsBelow(dir string) ([]string, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var mounts []string
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		kind := slices.Index(f, "-") + 1
		if path, ok := strings.CutPrefix(f[4], dir); ok {
			mounts = append(mounts, fmt.Sprintf("%s %s %s", path, f[kind], f[5]))
		}
	}
	return mounts, nil
}

// filesBelow lists files and directories, relative to dir, but nothing in a
// mount.
func filesBelow(dir string, mounts []string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // none, or gone meanwhile
		case err != nil:
			return err
		}
		name := strings.TrimPrefix(path, dir)
		files = append(files, name)
		mounted := slices.ContainsFunc(mounts, func(m string) bool { return strings.HasPrefix(m, name+" ") })
		if e.IsDir() && mounted {
			return fs.SkipDir
		}
		return nil
	})
	return files, err
}

// keepsake is what is written to a volume once and must stay.
var keepsake = bytes.Repeat([]byte("keep this "), 409)[:4096-6]

// keepsakeFile is where it is: in the file system, or on the device itself.
func (c *crash) keepsakeFile() string {
	if c.v.FSType == "" {
		return c.v.Target
	}
	return filepath.Join(c.v.Target, "keepsake")
}

// keep writes it.
func (c *crash) keep() {
	c.t.Helper()
	f, err := os.OpenFile(c.keepsakeFile(), os.O_WRONLY|os.O_CREATE, 0o600)
	must(c.t, err)
	_, err = f.Write(keepsake)
	must(c.t, errors.Join(err, f.Sync(), f.Close()))
}

// kept wants it to be there. A volume that was wiped on purpose has lost it.
func (c *crash) kept() {
	c.t.Helper()
	if c.wiped {
		return
	}
	f, err := os.Open(c.keepsakeFile())
	must(c.t, err)
	defer f.Close()
	have := make([]byte, len(keepsake))
	if _, err := f.ReadAt(have, 0); err != nil || !bytes.Equal(have, keepsake) {
		c.t.Errorf("what was written to the volume is gone: %v, %.40q", err, have)
	}
}

// wipe empties the device, as a new namespace is.
func (c *crash) wipe() {
	c.t.Helper()
	spoil(c.t, c.rig.Device(0))
	c.wiped = true
}

// madeAt identifies the ext4 file system on the device, "" if there is none: the
// UUID that mkfs gave it (Linux fs/ext4/ext4.h, s_magic and s_uuid). It is read
// past the cache, where the target's writes do not show.
func (c *crash) madeAt() string {
	c.t.Helper()
	const superblock, magic, uuid = 1024, 0x38, 0x68
	block, err := readDirect(c.rig.Device(0), 4096)
	must(c.t, err)
	s := block[superblock:]
	if s[magic] != 0x53 || s[magic+1] != 0xef {
		return ""
	}
	return hex.EncodeToString(s[uuid : uuid+16])
}

// readDirect reads the beginning of a device as it is.
func readDirect(device string, size int) ([]byte, error) {
	f, err := os.OpenFile(device, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Munmap(buf) }()
	if _, err := f.ReadAt(buf, 0); err != nil {
		return nil, err
	}
	return bytes.Clone(buf), nil
}

// sound wants fsck to find nothing on the device, which nobody uses any more.
func (c *crash) sound() {
	c.t.Helper()
	if c.v.FSType == "" {
		return
	}
	must(c.t, os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0))
	call(c.t, "e2fsck", "-f", "-n", c.rig.Device(0))
}
