package node

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// prepare makes of the guest what systemd makes of a machine.
func prepare(s Settings) error {
	if err := unix.Sethostname([]byte(s.Name)); err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	return errors.Join(
		identify(),
		mountMemory("/var/lib/containerd"), // an overlay cannot lie on the root's
		mountMemory("/var/lib/kubelet"),
		mountMemory("/var/log"),
		raiseLimits(),
		connect(s),
		// Pods reach the API server through the node.
		os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644),
	)
}

// identify gives the node what the packages' installation would have: a machine
// ID, and the names an NVMe host has.
func identify() error {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // ends the program rather than fail
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	uuid := fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	if err := os.MkdirAll("/etc/nvme", 0o755); err != nil {
		return err
	}
	for file, content := range map[string]string{
		"/etc/machine-id":   hex.EncodeToString(id),
		"/etc/nvme/hostid":  uuid,
		"/etc/nvme/hostnqn": "nqn.2014-08.org.nvmexpress:uuid:" + uuid,
	} {
		if err := os.WriteFile(file, []byte(content+"\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// mountMemory puts a file system of its own on a folder. It is shared, as all
// below / is, so that what a CSI driver mounts in its pod appears here.
func mountMemory(dir string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mounting %s: %w", dir, err)
	}
	return nil
}

// raiseLimits is for containerd and the pods, which inherit them.
func raiseLimits() error {
	limit := unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("number of open files: %w", err)
	}
	return nil
}

const card = "eth0"

func connect(s Settings) error {
	link, err := netlink.LinkByName(card)
	if err != nil {
		return fmt.Errorf("%s: %w", card, err)
	}
	address, err := netlink.ParseAddr(s.Address)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, address); err != nil {
		return fmt.Errorf("%s: address %s: %w", card, s.Address, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("%s: %w", card, err)
	}
	if err := netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(s.Gateway)}); err != nil {
		return fmt.Errorf("default route: %w", err)
	}
	return nil
}
