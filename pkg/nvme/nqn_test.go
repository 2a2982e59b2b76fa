package nvme

import (
	"strings"
	"testing"
)

func TestParseNQN(t *testing.T) {
	const domain = "nqn.2014-08.org.nvmexpress"
	longest := domain + ":" + strings.Repeat("x", MaxNQNLength-len(domain)-1)
	for _, tc := range []struct {
		name, in, wantErr string
	}{
		{"uuid form", "nqn.2014-08.org.nvmexpress:uuid:0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190807", ""},
		{"discovery", "nqn.2014-08.org.nvmexpress.discovery", ""},
		{"vendor", "nqn.1992-08.com.netapp:sn.d646dc63336511e995cb00a0988fb732:subsystem.a_b", ""},
		{"longest", longest, ""},
		{"one byte too long", longest + "x", "is 224 bytes long, at most 223 are allowed"},
		{"empty", "", "is empty"},
		{"comma", "nqn.2026-11.dev.braid:a,traddr=192.0.2.9", "comma"},
		{"newline", "nqn.2026-11.dev.braid:a\nb", "control character at byte 23"},
		{"space", "nqn.2026-11.dev.braid:a b", "space"},
		{"zero byte", "nqn.2026-11.dev.braid:a\x00", "control character"},
		{"not UTF-8", "nqn.2026-11.dev.braid:\xff", "UTF-8"},
		{"month 13", "nqn.2026-13.dev.braid:a", "not of the form"},
		{"no domain", "nqn.2026-11.:a", "not of the form"},
		{"iqn", "iqn.2026-11.dev.braid:a", "not of the form"},
		{"nothing after the colon", "nqn.2026-11.dev.braid:", "not of the form"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseNQN(tc.in)
			checkError(t, tc.in, err, tc.wantErr)
			if err == nil && string(got) != tc.in {
				t.Errorf("ParseNQN(%q) = %q", tc.in, got)
			}
		})
	}
}

// checkError compares an error with a part of its text; "" wants none.
func checkError(t *testing.T, in string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%q: error %v, want none", in, err)
	case want != "" && err == nil:
		t.Errorf("%q: no error, want one with %q", in, want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("%q: error %q, want one with %q", in, err, want)
	}
}
