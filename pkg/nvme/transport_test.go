package nvme

import (
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for _, tc := range []struct {
		in, want, wantErr string
	}{
		{"192.0.2.1", "tcp://192.0.2.1:4420", ""},
		{"192.0.2.1:4421", "tcp://192.0.2.1:4421", ""},
		{"2001:db8::1", "tcp://[2001:db8::1]:4420", ""},
		{"[2001:db8::1]", "tcp://[2001:db8::1]:4420", ""},
		{"[2001:DB8:0:0::1]:4421", "tcp://[2001:db8::1]:4421", ""},
		{"::ffff:192.0.2.1", "tcp://192.0.2.1:4420", ""},
		{"fe80::1%eth0", "tcp://[fe80::1%eth0]:4420", ""},
		{"", "", "not an IP address"},
		{"storage.example.com", "", "not an IP address"},
		{"192.0.2.1:0", "", "port 0"},
		{"192.0.2.1:65536", "", "not an IP address"},
		{"0.0.0.0", "", "not the address of a host"},
		{"224.0.0.1", "", "multicast"},
		{"192.0.2.1,nqn=x", "", "comma"},
		{"192.0.2.1\n", "", "control character"},
		{"192.0.2.01", "", "not an IP address"},
	} {
		t.Run(tc.in, func(t *testing.T) {
			got, err := ParseAddress(tc.in)
			checkError(t, tc.in, err, tc.wantErr)
			if err == nil && got.String() != tc.want {
				t.Errorf("ParseAddress(%q) = %s, want %s", tc.in, got, tc.want)
			}
		})
	}
}

func TestParseDiscoveryAddress(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":          "tcp://192.0.2.1:8009",
		"[2001:db8::1]:4420": "tcp://[2001:db8::1]:4420",
	} {
		if got, err := ParseDiscoveryAddress(in); err != nil || got.String() != want {
			t.Errorf("ParseDiscoveryAddress(%q) = %s, %v, want %s", in, got, err, want)
		}
	}
	if got, err := ParseDiscoveryAddress("storage.example.com"); err == nil {
		t.Errorf("a name: %s", got)
	}
}

func TestParseSysfsAddress(t *testing.T) {
	for _, tc := range []struct {
		in, want, wantSrc, wantErr string
	}{
		{"traddr=192.0.2.1,trsvcid=4420", "tcp://192.0.2.1:4420", "", ""},
		{"traddr=192.0.2.1,trsvcid=4420,src_addr=192.0.2.9", "tcp://192.0.2.1:4420", "192.0.2.9", ""},
		{"traddr=192.0.2.1 trsvcid=4420 host_iface=eth1\n", "tcp://192.0.2.1:4420%eth1", "", ""},
		{"traddr=2001:DB8::1,trsvcid=4420,host_traddr=2001:db8::9", "tcp://[2001:db8::1]:4420 from 2001:db8::9", "", ""},
		{"trsvcid=4420", "", "", "without traddr"},
		{"traddr", "", "", "not KEY=VALUE"},
		{"", "", "", "without traddr"},
	} {
		t.Run(tc.in, func(t *testing.T) {
			got, src, err := ParseSysfsAddress(TransportTCP, tc.in)
			checkError(t, tc.in, err, tc.wantErr)
			if err == nil && (got.String() != tc.want || src != tc.wantSrc) {
				t.Errorf("ParseSysfsAddress(%q) = %s, %q, want %s, %q", tc.in, got, src, tc.want, tc.wantSrc)
			}
		})
	}
}

func TestReaches(t *testing.T) {
	wanted := TransportID{Transport: TransportTCP, TrAddr: "192.0.2.1", TrSvcID: "4420"}
	bound := wanted
	bound.HostIface = "eth1"
	for _, tc := range []struct {
		name        string
		wanted, got TransportID
		want        bool
	}{
		{"same", wanted, wanted, true},
		{"connected through a named interface", wanted, bound, true},
		{"wanted through a named interface", bound, wanted, false},
		{"another port", wanted, TransportID{Transport: TransportTCP, TrAddr: "192.0.2.1", TrSvcID: "4421"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.wanted.Reaches(tc.got); got != tc.want {
				t.Errorf("%s.Reaches(%s) = %t, want %t", tc.wanted, tc.got, got, tc.want)
			}
		})
	}
}

// FuzzParseAddress: what is accepted can stand in a fabrics option line and
// is the same way when parsed again.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "[2001:db8::1]:4420", "fe80::1%eth0", "1,2", "::ffff:1.2.3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseAddress(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(id.TrAddr+id.TrSvcID, ",\n\x00 ") {
			t.Errorf("ParseAddress(%q) = %+v, which breaks an option line", s, id)
		}
		again, err := ParseAddress(id.Address())
		if err != nil || again != id {
			t.Errorf("ParseAddress(%q) = %+v, %v, want %+v", id.Address(), again, err, id)
		}
	})
}
