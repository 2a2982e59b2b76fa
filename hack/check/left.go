package check

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
)

// NothingLeft wants no trace of the volumes on the node: no controller, no
// mount, no file at or in their paths, no claim to a controller, no record and
// no unfinished file. dir is the CO's directory with all its volumes in it.
func NothingLeft(dir, stateDir string, volumes ...node.Volume) error {
	errs := []error{noControllers(), noMounts(dir), empty("/run/nvme/registry"), empty(filepath.Join(stateDir, "volumes")), noTemps(stateDir)}
	for _, v := range volumes {
		errs = append(errs, empty(v.Staging))
		switch _, err := os.Lstat(v.Target); {
		case err == nil:
			errs = append(errs, fmt.Errorf("target path %s is still there", v.Target))
		case !errors.Is(err, fs.ErrNotExist):
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// NodeEmpty wants no trace of any volume on a node: what NothingLeft wants, of
// the directories that kubelet has for CSI.
func NodeEmpty(kubeletDir, stateDir string) error {
	return errors.Join(
		NothingLeft(filepath.Join(kubeletDir, "plugins/kubernetes.io/csi"), stateDir),
		noneMatch(filepath.Join(kubeletDir, "plugins/kubernetes.io/csi/*/*/globalmount")),
		noneMatch(filepath.Join(kubeletDir, "plugins/kubernetes.io/csi/volumeDevices/*/*")),
		noneMatch(filepath.Join(kubeletDir, "pods/*/volumes/kubernetes.io~csi/*")),
		noneMatch(filepath.Join(kubeletDir, "pods/*/volumeDevices/kubernetes.io~csi/*")),
	)
}

func noneMatch(pattern string) error {
	left, err := filepath.Glob(pattern)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("files are left: %q", left)
	}
	return err
}

func noControllers() error {
	left, err := nvmehost.Controllers()
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("controllers are left: %v", left)
	}
	return err
}

func noMounts(dir string) error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	defer f.Close()
	var errs []error
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); strings.HasPrefix(fields[4], dir) {
			errs = append(errs, fmt.Errorf("mount is left: %s", lines.Text()))
		}
	}
	return errors.Join(append(errs, lines.Err())...)
}

// empty wants a directory without anything in it, or none.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty: %v", dir, entries)
	}
	return err
}

func noTemps(stateDir string) error {
	return filepath.WalkDir(stateDir, func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && strings.Contains(filepath.Base(path), "tmp") {
			return fmt.Errorf("unfinished file is left: %s", path)
		}
		return err
	})
}

// Ledger wants the ledger to have outlived the volumes, and returns its files.
func Ledger(stateDir string) ([]string, error) {
	books, err := filepath.Glob(filepath.Join(stateDir, "ledger", "*.json"))
	if err == nil && len(books) == 0 {
		err = fmt.Errorf("no ledger is left in %s", stateDir)
	}
	return books, err
}
