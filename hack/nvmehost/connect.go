// Package nvmehost is the least a test needs of an NVMe host: connecting by the
// kernel's own interface, and looking at what came of it. It is independent of
// the code under test on purpose, so that the two can be held against each
// other.
package nvmehost

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/braid-csi/braid/hack/configfs"
)

// ConnectOptions are those of the kernel's fabrics interface that tests use.
// Zero values are left to the kernel.
type ConnectOptions struct {
	NQN     string
	Addr    netip.AddrPort
	HostNQN string
	HostID  string
	// KeepAlive, ReconnectDelay, ControllerLoss and FastIOFail are in whole
	// seconds; a negative ControllerLoss never gives up.
	KeepAlive, ReconnectDelay, ControllerLoss, FastIOFail time.Duration
	IOQueues                                              int
	// HeaderDigest and DataDigest protect headers and data with CRC32C.
	HeaderDigest, DataDigest bool
}

func (o ConnectOptions) String() string {
	fields := []string{
		"transport=tcp", "nqn=" + o.NQN,
		"traddr=" + o.Addr.Addr().String(), "trsvcid=" + strconv.Itoa(int(o.Addr.Port())),
	}
	add := func(name, value string, given bool) {
		if given {
			fields = append(fields, name+"="+value)
		}
	}
	seconds := func(name string, d time.Duration) {
		add(name, strconv.Itoa(int(d/time.Second)), d >= time.Second)
	}
	add("hostnqn", o.HostNQN, o.HostNQN != "")
	add("hostid", o.HostID, o.HostID != "")
	add("nr_io_queues", strconv.Itoa(o.IOQueues), o.IOQueues > 0)
	seconds("keep_alive_tmo", o.KeepAlive)
	seconds("reconnect_delay", o.ReconnectDelay)
	seconds("fast_io_fail_tmo", o.FastIOFail)
	seconds("ctrl_loss_tmo", o.ControllerLoss)
	add("ctrl_loss_tmo", "-1", o.ControllerLoss < 0)
	flag := func(name string, given bool) {
		if given {
			fields = append(fields, name)
		}
	}
	flag("hdr_digest", o.HeaderDigest)
	flag("data_digest", o.DataDigest)
	return strings.Join(fields, ",")
}

// Connect creates a controller. It returns when the controller is live.
func Connect(o ConnectOptions) (Controller, error) {
	if err := configfs.Modprobe("nvme-tcp"); err != nil {
		return Controller{}, err
	}
	f, err := os.OpenFile("/dev/nvme-fabrics", os.O_RDWR, 0)
	if err != nil {
		return Controller{}, fmt.Errorf("connecting to %s: %w", o.Addr, err)
	}
	defer f.Close()
	if _, err := f.WriteString(o.String()); err != nil {
		return Controller{}, fmt.Errorf("connecting with %q: %w", o, err)
	}
	answer, err := io.ReadAll(f)
	if err != nil {
		return Controller{}, fmt.Errorf("connecting to %s: %w", o.Addr, err)
	}
	var instance, cntlid int
	if _, err := fmt.Sscanf(string(answer), "instance=%d,cntlid=%d", &instance, &cntlid); err != nil {
		return Controller{}, fmt.Errorf("connecting to %s: answer %q: %w", o.Addr, answer, err)
	}
	return Controller{Instance: instance}, nil
}
