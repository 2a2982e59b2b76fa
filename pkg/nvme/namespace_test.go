package nvme

import (
	"encoding/json"
	"testing"
)

func TestParseNamespaceID(t *testing.T) {
	for _, tc := range []struct {
		idType      IDType
		in, want    string
		wantErrPart string
	}{
		{UUID, "0C7F0C1E-7D4F-4F4C-9A3F-3C1B2A190807", "uuid:0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190807", ""},
		{UUID, "0c7f0c1e7d4f4f4c9a3f3c1b2a190807", "uuid:0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190807", ""},
		{NGUID, "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190807", "nguid:0c7f0c1e7d4f4f4c9a3f3c1b2a190807", ""},
		{EUI64, "00 25 38 5a 11 21 5a 3b", "eui64:0025385a11215a3b", ""},
		{UUID, "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a19080", "", "not a uuid of 32"},
		{EUI64, "zz25385a11215a3b", "", "not a eui64 of 16"},
		{NGUID, "00000000000000000000000000000000", "", "all zeros"},
		{"wwn", "00", "", "unknown"},
	} {
		t.Run(string(tc.idType)+" "+tc.in, func(t *testing.T) {
			got, err := ParseNamespaceID(tc.idType, tc.in)
			checkError(t, tc.in, err, tc.wantErrPart)
			if err != nil {
				return
			}
			if got.String() != tc.want {
				t.Errorf("ParseNamespaceID(%s, %q) = %s, want %s", tc.idType, tc.in, got, tc.want)
			}
			b, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			var again NamespaceID
			if err := json.Unmarshal(b, &again); err != nil || again != got {
				t.Errorf("%s read back as %v, %v", b, again, err)
			}
		})
	}
}
