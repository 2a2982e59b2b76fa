package multipath

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
)

// ways are the numbered addresses 192.0.2.N:4420.
func ways(numbers ...int) []nvme.TransportID {
	var all []nvme.TransportID
	for _, n := range numbers {
		all = append(all, nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: fmt.Sprintf("192.0.2.%d", n), TrSvcID: "4420"})
	}
	return all
}

// numbers undoes ways.
func numbers(ways []nvme.TransportID) string {
	var all []string
	for _, w := range ways {
		all = append(all, strings.TrimPrefix(w.TrAddr, "192.0.2."))
	}
	return strings.Join(all, " ")
}

// TestMoved: the volume asks for 1 and 2, and expects them unless it says
// otherwise.
func TestMoved(t *testing.T) {
	for name, tc := range map[string]struct {
		expected, lost, leftOut, listed []nvme.TransportID
		want                            string // expected, gone, came
	}{
		"nothing is lost":                      {nil, nil, nil, ways(1, 2), ""},
		"nothing is lost, more is listed":      {nil, nil, nil, ways(1, 2, 3), ""},
		"nothing is lost, others are listed":   {nil, nil, nil, ways(3, 4), ""},
		"lost, and listed":                     {nil, ways(1), nil, ways(1, 2, 3), ""},
		"lost, and no other is listed":         {nil, ways(1), nil, ways(2), ""},
		"lost, and nothing is listed":          {nil, ways(1, 2), nil, nil, ""},
		"one moved":                            {nil, ways(1), nil, ways(2, 3), "2 3, 1, 3"},
		"listed twice":                         {nil, ways(1), nil, ways(3, 2, 3), "2 3, 1, 3"},
		"one moved, the other is not listed":   {nil, ways(1), nil, ways(3), "2 3, 1, 3"},
		"both moved":                           {nil, ways(1, 2), nil, ways(3, 4), "3 4, 1 2, 3 4"},
		"two took the place of one":            {nil, ways(2), nil, ways(1, 3, 4), "1 3 4, 2, 3 4"},
		"one moved, another one is down":       {nil, ways(1, 2), nil, ways(3), "2 3, 1, 3"},
		"one that was left out on purpose":     {nil, ways(1), ways(3), ways(2, 3), ""},
		"moved beside one that was left out":   {nil, ways(1), ways(3), ways(2, 3, 4), "2 4, 1, 4"},
		"moved on":                             {ways(2, 3), ways(3), ways(), ways(2, 4), "2 4, 3, 4"},
		"moved back":                           {ways(2, 3), ways(3), ways(), ways(1, 2), "2 1, 3, 1"},
		"the one that was down is listed":      {ways(2, 3), ways(2), ways(), ways(1, 3), "3 1, 2, 1"},
		"more than asked for, and one is down": {ways(2, 3, 4), ways(4), ways(), ways(2, 3), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := whereabouts{asked: ways(1, 2), expected: tc.expected, lost: tc.lost, leftOut: tc.leftOut, listed: tc.listed}
			if w.expected == nil {
				w.expected = w.asked
			}
			m, err := w.moved()
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if len(m.came) > 0 {
				got = numbers(m.expected) + ", " + numbers(m.gone) + ", " + numbers(m.came)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%+v: (-want +got):\n%s", tc, diff)
			}
		})
	}
}

// TestMovedRefused: what a target may list to make a node connect where it should
// not, or to more than it can bear.
func TestMovedRefused(t *testing.T) {
	at := func(addr, port string) nvme.TransportID {
		return nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: addr, TrSvcID: port}
	}
	bound := at("192.0.2.3", "4420")
	bound.HostIface = "eth0"
	many := ways(2)
	for n := range MaxAddresses {
		many = append(many, ways(n+10)...)
	}
	for name, tc := range map[string]struct {
		listed []nvme.TransportID
		want   string
	}{
		"this node":             {[]nvme.TransportID{at("127.0.0.1", "4420")}, "is this host"},
		"this node, mapped":     {[]nvme.TransportID{at("::ffff:127.0.0.1", "4420")}, "not the address of a target"},
		"this node by IPv6":     {[]nvme.TransportID{at("::1", "4420")}, "is this host"},
		"the link":              {[]nvme.TransportID{at("169.254.169.254", "80")}, "another one on each link"},
		"the link by IPv6":      {[]nvme.TransportID{at("fe80::1%eth0", "4420")}, "another one on each link"},
		"everybody":             {[]nvme.TransportID{at("224.0.0.1", "4420")}, "multicast"},
		"nobody":                {[]nvme.TransportID{at("0.0.0.0", "4420")}, "not the address of a host"},
		"a name":                {[]nvme.TransportID{at("example.com", "4420")}, "not an IP address"},
		"port 0":                {[]nvme.TransportID{at("192.0.2.3", "0")}, "port 0"},
		"no port":               {[]nvme.TransportID{at("192.0.2.3", "")}, "not the address of a target"},
		"an option":             {[]nvme.TransportID{at("192.0.2.3", "4420,nqn=other")}, "comma"},
		"an interface":          {[]nvme.TransportID{bound}, "not the address of a target"},
		"another transport":     {[]nvme.TransportID{{Transport: "rdma", TrAddr: "192.0.2.3", TrSvcID: "4420"}}, "not the address of a target"},
		"more than there may":   {many, "more than 16"},
		"more than makes sense": {slices.Repeat(ways(2), maxListed+1), "at most 256 make sense"},
	} {
		t.Run(name, func(t *testing.T) {
			w := whereabouts{asked: ways(1, 2), expected: ways(1, 2), lost: ways(1), listed: append(ways(3), tc.listed...)}
			if m, err := w.moved(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%.200v: %+v, %v, want an error with %q", tc.listed, m, err, tc.want)
			}
		})
	}
	here := []nvme.TransportID{at("127.0.0.1", "4420"), at("127.0.0.1", "4421")}
	w := whereabouts{asked: here[:1], expected: here[:1], lost: here[:1], listed: here[1:]}
	if m, err := w.moved(); err != nil || !slices.Equal(m.expected, here[1:]) {
		t.Errorf("a volume that asks for this node: %+v, %v", m, err)
	}
}

// FuzzMoved: whatever a target lists, what is expected afterwards can be
// connected, and is what was asked for but for what no log lists.
func FuzzMoved(f *testing.F) {
	f.Add(uint8(1), "192.0.2.3:4420 192.0.2.2:4420")
	f.Add(uint8(3), "192.0.2.3:4420 127.0.0.1:22")
	f.Add(uint8(2), "[fe80::1%eth0]:4420")
	f.Add(uint8(3), "192.0.2.3:4420,nqn=x 0.0.0.0:0 224.0.0.1:1")
	f.Fuzz(func(t *testing.T, lost uint8, listed string) {
		w := whereabouts{asked: ways(1, 2), expected: ways(1, 2)}
		for i, a := range w.asked {
			if lost&(1<<i) != 0 {
				w.lost = append(w.lost, a)
			}
		}
		for _, text := range strings.Fields(listed) {
			i := max(strings.LastIndex(text, ":"), 0)
			w.listed = append(w.listed, nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: strings.Trim(text[:i], "[]"), TrSvcID: strings.TrimPrefix(text[i:], ":")})
		}
		m, err := w.moved()
		if err != nil || len(m.came) == 0 {
			if len(m.expected)+len(m.gone)+len(m.came) > 0 {
				t.Errorf("%d %q: %+v, %v", lost, listed, m, err)
			}
			return
		}
		if n := len(m.expected); n < 2 || n > MaxAddresses {
			t.Errorf("%d %q: %d are expected: %v", lost, listed, n, m.expected)
		}
		for _, a := range m.gone {
			if !slices.Contains(w.lost, a) || slices.Contains(w.listed, a) || slices.Contains(m.expected, a) {
				t.Errorf("%d %q: %s is gone", lost, listed, a)
			}
		}
		for _, a := range m.expected {
			if again, err := nvme.ParseAddress(a.Address()); err != nil || again != a || a.IsLoopback() {
				t.Errorf("%d %q: %s is expected: %v", lost, listed, a, err)
			}
			if !slices.Contains(w.asked, a) && !slices.Contains(w.listed, a) {
				t.Errorf("%d %q: %s is expected, which nobody said", lost, listed, a)
			}
		}
	})
}
