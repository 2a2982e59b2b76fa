package native

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

// maxIOQueues caps the queues of a controller that asks for no number: the
// kernel's default is one per CPU per path, which large nodes and small
// targets do not get along with.
const maxIOQueues = 8

// maxOptions is the longest option line that the kernel takes: a page
// (Linux drivers/nvme/host/fabrics.c, nvmf_dev_write).
const maxOptions = 4096

// Host is how this node presents itself to subsystems. Name and ID belong
// together: the kernel refuses one name with two IDs.
type Host struct {
	NQN nvme.NQN `json:"hostnqn"`
	ID  string   `json:"hostid"`
}

// fabricsOptions forms the line that connects one controller. Every value was
// parsed before; a comma or newline left in one would be read as options of
// its own, so that is checked once more here, where it matters.
func fabricsOptions(h Host, nqn nvme.NQN, to nvme.TransportID, o multipath.ConnectOptions) (string, error) {
	queues := o.IOQueues
	if queues == 0 {
		queues = min(runtime.NumCPU(), maxIOQueues)
	}
	options := []struct{ key, value string }{
		{"transport", string(to.Transport)},
		{"nqn", string(nqn)},
		{"traddr", to.TrAddr},
		{"trsvcid", to.TrSvcID},
		{"host_traddr", to.HostTrAddr},
		{"host_iface", to.HostIface},
		{"hostnqn", string(h.NQN)},
		{"hostid", h.ID},
		{"nr_io_queues", strconv.Itoa(queues)},
		{"ctrl_loss_tmo", seconds(o.ControllerLossTimeout)},
		{"reconnect_delay", seconds(o.ReconnectDelay)},
		{"keep_alive_tmo", seconds(o.KeepAliveTimeout)},
	}
	if o.FastIOFailTimeout >= 0 { // absent means off
		options = append(options, struct{ key, value string }{"fast_io_fail_tmo", seconds(o.FastIOFailTimeout)})
	}
	var line []string
	for _, opt := range options {
		if strings.ContainsAny(opt.value, ",\n\x00") {
			return "", fmt.Errorf("fabrics option %s: %q has a comma, a newline or a zero byte", opt.key, opt.value)
		}
		if opt.value != "" {
			line = append(line, opt.key+"="+opt.value)
		}
	}
	if o.HeaderDigest {
		line = append(line, "hdr_digest")
	}
	if o.DataDigest {
		line = append(line, "data_digest")
	}
	s := strings.Join(line, ",")
	if len(s) >= maxOptions {
		return "", fmt.Errorf("fabrics options are %d bytes long, the kernel takes fewer than %d", len(s), maxOptions)
	}
	return s, nil
}

// seconds is how the kernel takes times: whole seconds, rounded up, -1 for
// ever.
func seconds(d time.Duration) string {
	if d < 0 {
		return "-1"
	}
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// parseConnected reads what the kernel answers to a successful connect, such
// as "instance=3,cntlid=1", and returns the controller's name.
func parseConnected(s string) (string, error) {
	for f := range strings.SplitSeq(strings.TrimSpace(s), ",") {
		if v, ok := strings.CutPrefix(f, "instance="); ok {
			n, err := strconv.ParseUint(v, 10, 31)
			if err != nil {
				break
			}
			return fmt.Sprintf("nvme%d", n), nil
		}
	}
	return "", fmt.Errorf("the kernel's answer %q names no instance", s)
}
