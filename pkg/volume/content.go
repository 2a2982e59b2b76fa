package volume

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/utils/exec"
)

// How much of a device's ends is read before blkid is believed: nearly all
// signatures that blkid knows lie there.
const (
	headBytes = 1 << 20
	tailBytes = 64 << 10
)

// content returns what is on a device: a file system's name, words for
// anything else, or nothing if the device is empty.
//
// blkid exits with 2 both if it finds nothing and if it cannot read, and an
// empty device is formatted. So the ends of the device are read first; an
// error there means unknown, never empty.
func (v *Volumes) content(path string) (string, error) {
	if err := readEnds(path); err != nil {
		return "", fmt.Errorf("whether %s is empty cannot be told: %w", path, err)
	}
	out, err := v.sys.Exec.Command("blkid", "-p", "-o", "export", "-s", "TYPE", "-s", "PTTYPE", path).CombinedOutput()
	var exit exec.ExitError
	switch {
	case err == nil:
		return signature(string(out)), nil
	case errors.As(err, &exit) && exit.ExitStatus() == 2:
		return "", nil
	case errors.As(err, &exit) && exit.ExitStatus() == 8:
		return "signatures of several kinds", nil
	}
	return "", fmt.Errorf("blkid %s: %w: %s", path, err, strings.TrimSpace(string(out)))
}

// signature reads blkid's output. That there is one means that something was
// found, even if this function cannot say what.
func signature(out string) string {
	var fsType, table string
	for line := range strings.Lines(out) {
		switch k, value, _ := strings.Cut(strings.TrimSpace(line), "="); k {
		case "TYPE":
			fsType = value
		case "PTTYPE":
			table = "a partition table (" + value + ")"
		}
	}
	switch {
	case fsType != "" && table != "":
		return fsType + " and " + table
	case fsType+table == "":
		return "something that blkid does not name"
	}
	return fsType + table
}

// readEnds reads the first and the last bytes of a device. The reads are
// buffered on purpose: unlike direct ones they end when the process is killed,
// so that a hung device does not keep a container from ending.
func readEnds(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size == 0 {
		return fmt.Errorf("%s has no size", path)
	}
	buf := make([]byte, min(size, headBytes))
	if _, err := f.ReadAt(buf, 0); err != nil {
		return err
	}
	buf = buf[:min(len(buf), tailBytes)]
	_, err = f.ReadAt(buf, size-int64(len(buf)))
	return err
}
