package nvme

import "testing"

func TestStatus(t *testing.T) {
	for _, tc := range []struct {
		status         Status
		path, ana, dnr bool
		crd            int
		text           string
	}{
		{0, false, false, false, 0, "0x000 (success)"},
		{0x302, true, true, false, 0, "0x302 (ANA inaccessible)"},
		{0x2302, true, true, false, 0, "0x2302 (ANA inaccessible)"}, // nvmet sets M
		{0x4301, true, true, true, 0, "0x4301 (ANA persistent loss, do not retry)"},
		{0x303, true, true, false, 0, "0x303 (ANA transition)"},
		{0x370, true, false, false, 0, "0x370 (host path error)"},
		{0x371, true, false, false, 0, "0x371 (aborted by host)"},
		{0x360, true, false, false, 0, "0x360 (controller path error)"},
		{0x1806, false, false, false, 3, "0x1806 (internal error)"},
		{0x4182, false, false, true, 0, "0x4182 (connect: invalid parameters, do not retry)"},
		{0x281, false, false, false, 0, "0x281 (unrecovered read error)"},
		{0x7c0, false, false, false, 0, "0x7c0 (unknown)"},
	} {
		t.Run(tc.text, func(t *testing.T) {
			if got := tc.status.PathError(); got != tc.path {
				t.Errorf("%s.PathError() = %t", tc.status, got)
			}
			if got := tc.status.ANAError(); got != tc.ana {
				t.Errorf("%s.ANAError() = %t", tc.status, got)
			}
			if got := tc.status.DoNotRetry(); got != tc.dnr {
				t.Errorf("%s.DoNotRetry() = %t", tc.status, got)
			}
			if got := tc.status.CRD(); got != tc.crd {
				t.Errorf("%s.CRD() = %d, want %d", tc.status, got, tc.crd)
			}
			if got := tc.status.String(); got != tc.text {
				t.Errorf("String() = %q, want %q", got, tc.text)
			}
			text, err := tc.status.MarshalText()
			var again Status
			if err == nil {
				err = again.UnmarshalText(text)
			}
			if err != nil || again != tc.status {
				t.Errorf("%s read back as %s, %v", text, again, err)
			}
		})
	}
}

func TestStatusText(t *testing.T) {
	for in, want := range map[string]string{"0x302": "", "770": "", "0x7fff": "", "0x8000": "not a status", "": "not a status", "ANA": "not a status"} {
		var s Status
		checkError(t, in, s.UnmarshalText([]byte(in)), want)
	}
}
