package guest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// The kernel rewrites its own code while it runs: branches that are decided
// once (static keys) are patched, with a breakpoint in the place of the code
// while that lasts. QEMU's emulation with a thread per processor sometimes lets
// another processor run into a breakpoint that is gone already, which the
// kernel takes for a bug and dies of: about one boot in ten. Nearly all of the
// patching is done while the kernel boots, when the first connections are made
// and when the first cgroup is, so all of that happens on one processor, and the
// others join afterwards.

// bootCPUs makes the kernel boot on one processor.
const bootCPUs = "maxcpus=1"

// CommandLine is what the kernel must be told for the guest to work.
const CommandLine = "rdinit=/init " + bootCPUs

// joinCPUs brings the other processors up, once the code paths of cgroups and
// TCP are patched.
func joinCPUs() error {
	if err := firstCgroup(); err != nil {
		return fmt.Errorf("first cgroup: %w", err)
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		if err := connectOnce(address); err != nil {
			return fmt.Errorf("first connection: %w", err)
		}
	}
	return switchOthers("1")
}

// Alone does what makes the kernel patch code that is run all the time, such as
// attaching probes, while there is one processor only.
func Alone(f func() error) error {
	if err := switchOthers("0"); err != nil {
		return err
	}
	return errors.Join(f(), switchOthers("1"))
}

// switchOthers brings all processors but the first up or down.
func switchOthers(value string) error {
	switches, err := filepath.Glob("/sys/devices/system/cpu/cpu[1-9]*/online")
	if err != nil {
		return err
	}
	for _, s := range switches {
		if err := os.WriteFile(s, []byte(value), 0); err != nil {
			return err
		}
	}
	return nil
}

// firstCgroup makes a cgroup with all controllers. Without it the first one
// would be a pod's. It stays: with the last one the kernel patches all back.
func firstCgroup() error {
	const root = "/sys/fs/cgroup"
	b, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return err
	}
	var enable []string
	for _, c := range strings.Fields(string(b)) {
		enable = append(enable, "+"+c)
	}
	if err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte(strings.Join(enable, " ")), 0); err != nil {
		return err
	}
	return os.Mkdir(filepath.Join(root, "first"), 0o755)
}

// connectOnce makes one connection to ourselves and says a word over it.
func connectOnce(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write([]byte{'\n'}); err != nil {
		return err
	}
	s, err := l.Accept()
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	_, err = s.Read(make([]byte, 1))
	return err
}
