package driver

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

func TestParseVolumeContext(t *testing.T) {
	context := map[string]string{
		"subsystemNQN":                "nqn.2014-08.org.example:one",
		"namespaceNGUID":              "0123456789ABCDEF0123456789abcdef",
		"addresses":                   "192.0.2.1, 192.0.2.2:4421,[2001:DB8::1]:4420",
		"discovery":                   "192.0.2.1, [2001:db8::1]:4420",
		"minPaths":                    "2",
		"ioPolicy":                    "round-robin",
		"ctrlLossTimeout":             "10m",
		"reconnectDelay":              "5s",
		"fastIOFailTimeout":           "1m",
		"keepAliveTimeout":            "10s",
		"ioTimeout":                   "20s",
		"ioQueues":                    "4",
		"headerDigest":                "true",
		"dataDigest":                  "true",
		"csi.storage.k8s.io/pod.name": "ignored",
		"storage.kubernetes.io/csiProvisionerIdentity": "ignored",
	}
	address := func(addr, port string) nvme.TransportID {
		return nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: addr, TrSvcID: port}
	}
	want := multipath.Volume{
		SubsystemNQN: "nqn.2014-08.org.example:one",
		Namespace:    nvme.NamespaceID{Type: nvme.NGUID, Value: "0123456789abcdef0123456789abcdef"},
		Addresses:    []nvme.TransportID{address("192.0.2.1", "4420"), address("192.0.2.2", "4421"), address("2001:db8::1", "4420")},
		Discovery:    []nvme.TransportID{address("192.0.2.1", "8009"), address("2001:db8::1", "4420")},
		MinPaths:     2,
		IOPolicy:     nvme.IOPolicyRoundRobin,
		Connect: multipath.ConnectOptions{
			ControllerLossTimeout: 10 * time.Minute, ReconnectDelay: 5 * time.Second, FastIOFailTimeout: time.Minute,
			KeepAliveTimeout: 10 * time.Second, IOTimeout: 20 * time.Second, IOQueues: 4, HeaderDigest: true, DataDigest: true,
		},
	}
	got, err := ParseVolumeContext(context)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatalf("ParseVolumeContext: %v (-want +got):\n%s", err, diff)
	}
	again, err := ParseVolumeContext(VolumeContext(got))
	if diff := cmp.Diff(want, again); err != nil || diff != "" {
		t.Errorf("round trip: %v (-want +got):\n%s", err, diff)
	}
}

func TestVolumeContextDefaults(t *testing.T) {
	v, err := ParseVolumeContext(goodContext())
	if err != nil {
		t.Fatal(err)
	}
	if v.MinPaths != 1 || v.IOPolicy != "" || v.Connect != multipath.DefaultConnectOptions() {
		t.Errorf("defaults: %+v", v)
	}
	// What is documented as default is what saying nothing means.
	spelled := goodContext()
	for _, k := range Keys() {
		if k.Default != "" {
			spelled[k.Name] = k.Default
		}
	}
	got, err := ParseVolumeContext(spelled)
	if diff := cmp.Diff(v, got); err != nil || diff != "" {
		t.Errorf("defaults spelled out: %v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff(goodContext(), VolumeContext(v)); diff != "" {
		t.Errorf("VolumeContext (-want +got):\n%s", diff)
	}
}

func TestVolumeContextProblems(t *testing.T) {
	const namespaces = "namespaceUUID, namespaceNGUID and namespaceEUI64"
	for _, tt := range []struct {
		key, value string // an empty key changes nothing; value "-" removes the key
		field      string
	}{
		{"subsystemNQN", "-", `["subsystemNQN"]: is missing`},
		{"subsystemNQN", "", `["subsystemNQN"]: is empty`},
		{"subsystemNQN", "nqn.2014-08.org.example:a,hostnqn=b", `["subsystemNQN"]`},
		{"namespaceUUID", "-", namespaces},
		{"namespaceUUID", "xyz", `["namespaceUUID"]`},
		{"namespaceUUID", "00000000-0000-0000-0000-000000000000", `["namespaceUUID"]`},
		{"namespaceEUI64", "0123456789abcdef", `["namespaceEUI64"]`},
		{"addresses", "-", `["addresses"]`},
		{"addresses", "", `["addresses"]`},
		{"addresses", "192.0.2.1,", `["addresses"]`},
		{"addresses", "192.0.2.1,192.0.2.1:4420", `["addresses"]: 192.0.2.1:4420 is given twice`},
		{"addresses", "192.0.2.1,::ffff:192.0.2.1", `["addresses"]: 192.0.2.1:4420 is given twice`},
		{"addresses", "192.0.2.1:0", `["addresses"]`},
		{"addresses", strings.Repeat("192.0.2.1,", 16) + "192.0.2.2", `["addresses"]: has 17 addresses`},
		{"addresses", strings.Repeat("9", 1025), `["addresses"]: has 1025 bytes`},
		{"discovery", "", `["discovery"]: "" is not an IP address`},
		{"discovery", "discovery.example.com", `["discovery"]: "discovery.example.com" is not an IP address`},
		{"discovery", "192.0.2.1,192.0.2.1:8009", `["discovery"]: 192.0.2.1:8009 is given twice`},
		{"discovery", "192.0.2.1,nqn=x", `["discovery"]`},
		{"discovery", "192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4,192.0.2.5", `["discovery"]: has 5 addresses, at most 4`},
		{"minPaths", "0", `["minPaths"]`},
		{"minPaths", "3", `["minPaths"]: 3 paths are asked for, 2 addresses`},
		{"minPaths", "two", `["minPaths"]`},
		{"ioPolicy", "fastest", `["ioPolicy"]`},
		{"ctrlLossTimeout", "0s", `["ctrlLossTimeout"]`},
		{"ctrlLossTimeout", "-1s", `["ctrlLossTimeout"]`},
		{"ctrlLossTimeout", "600", `["ctrlLossTimeout"]`},
		{"ctrlLossTimeout", "1s", `["reconnectDelay"]: 2s is more than ctrlLossTimeout 1s`},
		{"reconnectDelay", "never", `["reconnectDelay"]`},
		{"reconnectDelay", "1500ms", `["reconnectDelay"]`},
		{"fastIOFailTimeout", "25h", `["fastIOFailTimeout"]`},
		{"keepAliveTimeout", "500ms", `["keepAliveTimeout"]`},
		{"ioTimeout", "500ms", `["ioTimeout"]`},
		{"ioTimeout", "11m", `["ioTimeout"]`},
		{"ioQueues", "129", `["ioQueues"]`},
		{"headerDigest", "yes", `["headerDigest"]`},
		{"dataDigest", "", `["dataDigest"]`},
		{"Addresses", "192.0.2.1", `["Addresses"]`},
		{"kubernetes.io/x", "y", `["kubernetes.io/x"]`},
	} {
		context := maps.Clone(goodContext())
		if context[tt.key] = tt.value; tt.value == "-" {
			delete(context, tt.key)
		}
		_, err := ParseVolumeContext(context)
		if !errors.Is(err, errBadRequest) || !strings.Contains(err.Error(), "volume_context") || !strings.Contains(err.Error(), tt.field) {
			t.Errorf("%s = %q: %v, want a problem of %s", tt.key, tt.value, err, tt.field)
		}
	}
}

func TestFastIOFailBeyondControllerLoss(t *testing.T) {
	context := goodContext()
	context["ctrlLossTimeout"], context["fastIOFailTimeout"] = "1m", "2m"
	if _, err := ParseVolumeContext(context); err == nil || !strings.Contains(err.Error(), "fastIOFailTimeout") {
		t.Errorf("ParseVolumeContext: %v", err)
	}
	context["fastIOFailTimeout"] = "never"
	if _, err := ParseVolumeContext(context); err != nil {
		t.Errorf("ParseVolumeContext: %v", err)
	}
}

func TestKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Keys() {
		if seen[k.Name] || k.Name == "" || k.Meaning == "" || k.Required && k.Default != "" {
			t.Errorf("key %+v", k)
		}
		seen[k.Name] = true
	}
}

// FuzzVolumeContext: whatever is accepted survives the way to a map and back,
// and carries nothing that the kernel's fabrics options could not.
func FuzzVolumeContext(f *testing.F) {
	f.Add("nqn.2014-08.org.example:one", "namespaceUUID", "0c7f3a52-0000-4000-8000-000000000001", "192.0.2.1,[2001:db8::1]:4420", "minPaths", "2")
	f.Add("nqn.2014-08.org.example:one", "namespaceEUI64", "0123456789abcdef", "::1", "ctrlLossTimeout", "never")
	f.Add("nqn.2014-08.org.example:one", "namespaceNGUID", "0123456789abcdef0123456789abcdef", "[fe80::1%eth0]:1", "fastIOFailTimeout", "1h0m30s")
	f.Add("nqn.2014-08.org.example:a,b", "x", "", "192.0.2.1:4420,", "dataDigest", "true")
	f.Fuzz(func(t *testing.T, nqn, nsKey, ns, addresses, key, value string) {
		context := map[string]string{"subsystemNQN": nqn, nsKey: ns, "addresses": addresses, key: value}
		v, err := ParseVolumeContext(context)
		if err != nil {
			if !errors.Is(err, errBadRequest) {
				t.Fatalf("%q: %v", context, err)
			}
			return
		}
		if len(v.Addresses) == 0 || v.MinPaths < 1 || v.MinPaths > len(v.Addresses) || v.Namespace.IsZero() {
			t.Fatalf("%q: accepted as %+v", context, v)
		}
		for _, s := range append([]string{string(v.SubsystemNQN)}, strings.Split(VolumeContext(v)["addresses"], ",")...) {
			if strings.ContainsAny(s, ",\n\x00 ") {
				t.Fatalf("%q: accepted %q", context, s)
			}
		}
		again, err := ParseVolumeContext(VolumeContext(v))
		if diff := cmp.Diff(v, again); err != nil || diff != "" {
			t.Fatalf("%q: round trip: %v (-want +got):\n%s", context, err, diff)
		}
	})
}
