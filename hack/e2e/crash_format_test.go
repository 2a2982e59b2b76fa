package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/braid-csi/braid/hack/rig"
)

// TestCrashFormat kills braid-node together with the mkfs that it has started,
// as happens to a container, while that is writing. The device is slow, so that
// it takes a while. The next staging has to make the file system whole.
func TestCrashFormat(t *testing.T) {
	for _, fsType := range []string{"ext4", "xfs"} {
		t.Run(fsType, func(t *testing.T) {
			s := newScene(t, rig.Namespace{SizeMB: 400, Delay: slow})
			v := s.volume(0, fsType)
			staged := make(chan error, 1)
			go func() { staged <- s.node.Stage(s.ctx, v) }()
			mkfs := "mkfs." + fsType
			var pid int
			s.until(mkfs+" to write", func() (_ bool, err error) {
				if pid, err = process(mkfs); err != nil || pid == 0 {
					return false, err
				}
				return wrote(pid)
			})
			must(t, s.node.Kill())
			must(t, syscall.Kill(pid, syscall.SIGKILL))
			if err := <-staged; err == nil {
				t.Fatal("staged before it could be interrupted")
			}
			s.until(mkfs+" to die", func() (bool, error) {
				left, err := process(mkfs)
				return left == 0, err
			})
			head, err := readDirect(s.rig.Device(0), 4096)
			must(t, err)
			t.Logf("the device begins with %q", bytes.TrimRight(head[:8], "\x00"))

			must(t, s.node.Start(s.ctx))
			s.attach(v)
			s.unharmed(s.write(v))
			s.detach(v)
			s.nothingLeft()
		})
	}
}

// process finds a process by its name, 0 if there is none. One that has ended
// but was not waited for counts as none.
func process(name string) (pid int, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // gone
		}
		fields := strings.Fields(string(b))
		if fields[1] == "("+name+")" && fields[2] != "Z" {
			return strconv.Atoi(fields[0])
		}
	}
	return 0, nil
}

// wrote tells whether a process has written to a device (proc(5), io).
func wrote(pid int) (bool, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return false, nil // it has ended: too late, which shows
	}
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			return strings.TrimSpace(n) != "0", nil
		}
	}
	return false, fmt.Errorf("%q has no write_bytes", b)
}
