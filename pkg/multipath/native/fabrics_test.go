package native

import (
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

var testHost = Host{NQN: "nqn.2014-08.org.nvmexpress:uuid:h", ID: "h"}

func TestFabricsOptions(t *testing.T) {
	to := nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: "2001:db8::1", TrSvcID: "4420"}
	bound := to
	bound.HostIface = "eth1"
	usual := multipath.DefaultConnectOptions()
	usual.IOQueues = 4
	all := multipath.ConnectOptions{
		ControllerLossTimeout: 10 * time.Minute, ReconnectDelay: 1500 * time.Millisecond, FastIOFailTimeout: 0,
		KeepAliveTimeout: time.Second, IOQueues: 2, HeaderDigest: true, DataDigest: true,
	}
	for _, tc := range []struct {
		name    string
		to      nvme.TransportID
		options multipath.ConnectOptions
		want    string
	}{
		{"usual", to, usual, "transport=tcp,nqn=nqn.2026-11.dev.braid:s,traddr=2001:db8::1,trsvcid=4420," +
			"hostnqn=nqn.2014-08.org.nvmexpress:uuid:h,hostid=h,nr_io_queues=4,ctrl_loss_tmo=-1,reconnect_delay=2,keep_alive_tmo=5"},
		{"everything", bound, all, "transport=tcp,nqn=nqn.2026-11.dev.braid:s,traddr=2001:db8::1,trsvcid=4420,host_iface=eth1," +
			"hostnqn=nqn.2014-08.org.nvmexpress:uuid:h,hostid=h,nr_io_queues=2,ctrl_loss_tmo=600,reconnect_delay=2,keep_alive_tmo=1," +
			"fast_io_fail_tmo=0,hdr_digest,data_digest"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := fabricsOptions(testHost, "nqn.2026-11.dev.braid:s", tc.to, tc.options)
			if err != nil || got != tc.want {
				t.Errorf("options\n got %q, %v\nwant %q", got, err, tc.want)
			}
		})
	}
}

// FuzzFabricsOptions: whatever got past the parsers, no value may add an
// option of its own.
func FuzzFabricsOptions(f *testing.F) {
	f.Add("nqn.2026-11.dev.braid:s", "192.0.2.1", "eth1", "h")
	f.Add("nqn,traddr=192.0.2.9", "a\nb", "", "h")
	f.Fuzz(func(t *testing.T, nqn, addr, iface, id string) {
		to := nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: addr, TrSvcID: "4420", HostIface: iface}
		got, err := fabricsOptions(Host{NQN: testHost.NQN, ID: id}, nvme.NQN(nqn), to, multipath.DefaultConnectOptions())
		if err != nil {
			return
		}
		want := 7 // options that always have a value
		for _, s := range []string{nqn, addr, iface, id} {
			if s != "" {
				want++
			}
		}
		if n := len(strings.Split(got, ",")); n != want || strings.ContainsAny(got, "\n\x00") {
			t.Errorf("%d options of %d: %q", n, want, got)
		}
	})
}

func TestParseConnected(t *testing.T) {
	for _, tc := range []struct {
		in, want string
		ok       bool
	}{
		{"instance=3,cntlid=1\n", "nvme3", true},
		{"cntlid=1,instance=0", "nvme0", true},
		{"", "", false},
		{"cntlid=1", "", false},
		{"instance=-1", "", false},
		{"instance=../../x", "", false},
	} {
		got, err := parseConnected(tc.in)
		if got != tc.want || (err == nil) != tc.ok {
			t.Errorf("parseConnected(%q) = %q, %v, want %q", tc.in, got, err, tc.want)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]objectKind{
		"nvme0": kindController, "nvme10": kindController, "nvme0n1": kindHead,
		"nvme0c0n1": kindOther, "nvme": kindOther, "nvme0n1p1": kindOther, "ng0n1": kindOther, "power": kindOther,
	} {
		if got := kind(name); got != want {
			t.Errorf("kind(%q) = %d, want %d", name, got, want)
		}
	}
	for name, want := range map[string]string{"nvme0c1n2": "nvme0n2", "nvme10c20n30": "nvme10n30", "nvme0n1": "", "nvme0c1n2p1": ""} {
		if got, ok := headOfPath(name); got != want || ok != (want != "") {
			t.Errorf("headOfPath(%q) = %q, %t, want %q", name, got, ok, want)
		}
	}
}

func TestAboutNVMe(t *testing.T) {
	for event, want := range map[string]bool{
		"change@/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1\x00ACTION=change\x00": true,
		"add@/devices/virtual/nvme-fabrics/ctl/nvme1\x00ACTION=add\x00SUBSYSTEM=nvme\x00":  true,
		"add@/devices/pci0000:00/usb1\x00NAME=/nvme\x00":                                   false,
		"": false,
	} {
		if got := aboutNVMe([]byte(event)); got != want {
			t.Errorf("aboutNVMe(%q) = %t, want %t", event, got, want)
		}
	}
}
