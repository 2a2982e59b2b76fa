package main

import (
	"context"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/braid-csi/braid/hack/guest"
	"github.com/braid-csi/braid/hack/initramfs"
)

// testDir is the package's folder in the guest: go test starts a test binary in
// its package's folder, and tests rely on it to find ./testdata.
const testDir = "/test"

// execTest is go test's -exec: the arguments are the test binary and its flags,
// the current folder is the package's.
func execTest(ctx context.Context, args []string) (int, error) {
	o, args, err := parse("exec", args)
	if err != nil {
		return 0, err
	}
	root := initramfs.NewTree()
	root.Dir(testDir, 0o755)
	if err := root.Folder(path.Join(testDir, "testdata"), "testdata"); err != nil {
		return 0, err
	}
	binary := path.Join(testDir, filepath.Base(args[0]))
	if err := root.Program(binary, args[0]); err != nil {
		return 0, err
	}
	return o.start(ctx, root, guest.Command{
		Args: append([]string{binary}, guestFlags(args[1:])...),
		Dir:  testDir,
	})
}

// hostFiles are the flags of a test binary that name files on the host. The
// test log only serves go test's cache of results; a profile of an emulated
// processor would tell nothing.
var hostFiles = []string{
	"testlogfile", "coverprofile", "gocoverdir", "outputdir", "fuzzcachedir",
	"cpuprofile", "memprofile", "blockprofile", "mutexprofile", "trace",
}

// guestFlags drops them. go test always writes -test.name=value.
func guestFlags(args []string) []string {
	return slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
		name, ok := strings.CutPrefix(arg, "-test.")
		name, _, _ = strings.Cut(name, "=")
		return ok && slices.Contains(hostFiles, name)
	})
}
