package guest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// The kernel rewrites its own code while it runs: branches that are decided
// once (static keys) are patched, with a breakpoint in the place of the code
// while that lasts. QEMU's emulation with a thread per processor sometimes lets
// another processor run into a breakpoint that is gone already, which the
// kernel takes for a bug and dies of: about one boot in ten. Nearly all of the
// patching is done while the kernel boots and when the first connections are
// made, so both happen on one processor, and the others join afterwards.

// bootCPUs makes the kernel boot on one processor.
const bootCPUs = "maxcpus=1"

// CommandLine is what the kernel must be told for the guest to work.
const CommandLine = "rdinit=/init " + bootCPUs

// joinCPUs brings the other processors up, once the code paths of TCP are
// patched.
func joinCPUs() error {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		if err := connectOnce(address); err != nil {
			return fmt.Errorf("first connection: %w", err)
		}
	}
	switches, err := filepath.Glob("/sys/devices/system/cpu/cpu[1-9]*/online")
	if err != nil {
		return err
	}
	for _, s := range switches {
		if err := os.WriteFile(s, []byte("1"), 0); err != nil {
			return err
		}
	}
	return nil
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
