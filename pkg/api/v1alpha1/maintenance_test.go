package v1alpha1

import "testing"

func TestTargetOf(t *testing.T) {
	for address, want := range map[string]string{
		"tcp://192.0.2.1:4420":                        "tcp://192.0.2.1:4420",
		"tcp://192.0.2.1:4420 from 192.0.2.9":         "tcp://192.0.2.1:4420",
		"tcp://192.0.2.1:4420 from 192.0.2.9%eth1":    "tcp://192.0.2.1:4420",
		"tcp://192.0.2.1:4420%eth1":                   "tcp://192.0.2.1:4420",
		"tcp://[2001:db8::1]:4420":                    "tcp://[2001:db8::1]:4420",
		"tcp://[2001:db8::1]:4420%eth1":               "tcp://[2001:db8::1]:4420",
		"tcp://[fe80::1%eth0]:4420":                   "tcp://[fe80::1%eth0]:4420",
		"tcp://[fe80::1%eth0]:4420 from fe80::2%eth0": "tcp://[fe80::1%eth0]:4420",
		"": "",
	} {
		if got := TargetOf(address); got != want {
			t.Errorf("TargetOf(%q): %q, want %q", address, got, want)
		}
	}
}
