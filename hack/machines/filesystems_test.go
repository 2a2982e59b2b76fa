package machines

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/cluster/cache"
	"github.com/braid-csi/braid/hack/debian"
	"github.com/braid-csi/braid/hack/kernel"
)

// newer are the programs by which the newest kernel's Debian makes, checks and
// grows file systems.
var newer = []string{"mkfs.ext4", "mke2fs", "fsck.ext4", "e2fsck", "resize2fs", "dumpe2fs", "mkfs.xfs", "xfs_repair", "xfs_growfs", "xfs_io", "xfs_db", "blkid"}

// TestFileSystems has braid-node on the oldest kernel use the newest programs,
// as an image does that is newer than its node: what they make there has to be
// mounted and grown by that kernel.
func TestFileSystems(t *testing.T) {
	root := programs(t)
	scripts := t.TempDir()
	for _, name := range newer {
		must(t, os.WriteFile(filepath.Join(scripts, name), []byte(wrapper(t, root, name)), 0o755))
	}
	left := artifacts(t, "filesystems")
	must(t, os.RemoveAll(left))
	r, err := machine{
		kernel: "6.1", binary: compile(t, ""), timeout: 20 * time.Minute, artifacts: left,
		// The first folder of the PATH there is.
		add: []string{root + "=" + inGuest, scripts + "=/usr/local/sbin"},
	}.run(t.Context(), "^(TestAttachTwoPaths|TestExpand)$", "")
	for _, e := range r.ends {
		t.Logf("%s: %s on %s\n%s", e.name, e.result, r.about, e.output)
		if e.result != "PASS" {
			t.Errorf("%s: %s", e.name, e.result)
		}
	}
	must(t, err)
	used, err := os.ReadFile(filepath.Join(left, "used"))
	must(t, err)
	for _, name := range []string{"mkfs.ext4", "mkfs.xfs", "resize2fs", "xfs_growfs"} {
		if !slices.Contains(strings.Fields(string(used)), name) {
			t.Errorf("%s was not run: this proves nothing about it; run were: %s", name, strings.Join(strings.Fields(string(used)), " "))
		}
	}
}

// inGuest is where the packages are in the guest, whose own libraries are older.
const inGuest = "/newer"

// wrapper is a script that runs a program of the packages with their libraries,
// and notes that it did.
func wrapper(t *testing.T, root, name string) string {
	t.Helper()
	for _, dir := range []string{"usr/sbin", "sbin", "usr/bin", "bin"} {
		if _, err := os.Stat(filepath.Join(root, dir, name)); err == nil {
			return fmt.Sprintf(`#!/bin/sh
echo %[1]s >>/out/used
exec %[2]s/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 --argv0 %[1]s --library-path %[2]s/usr/lib/x86_64-linux-gnu:%[2]s/lib/x86_64-linux-gnu %[2]s/%[3]s/%[1]s "$@"
`, name, inGuest, dir)
		}
	}
	t.Fatalf("%s is in none of the packages", name)
	return ""
}

// programs returns the packages' folder, from the cache once it is there.
func programs(t *testing.T) string {
	t.Helper()
	newest, err := kernel.Lookup(kernel.Default)
	must(t, err)
	dir, err := kernel.DefaultDir()
	must(t, err)
	packages := []string{"e2fsprogs", "xfsprogs", "util-linux"}
	unneeded := regexp.MustCompile(`python|perl|^libicu|^libglib|^libpam|^libdb|^libsystemd|^libsqlite|debconf|dpkg|^tar$|media-types|netbase|tzdata`)
	store := cache.Store{Dir: dir, Progress: t.Logf}
	key := newest.Suite + "-" + cache.Key(append(packages, unneeded.String())...)
	root, err := store.Get(t.Context(), "debian", key, func(ctx context.Context, dir string) error {
		work := filepath.Join(dir, "work")
		if _, err := debian.Packages(ctx, debian.Suite{Name: newest.Suite}, packages, unneeded.MatchString, work, dir); err != nil {
			return err
		}
		return os.RemoveAll(work)
	})
	must(t, err)
	return root
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
