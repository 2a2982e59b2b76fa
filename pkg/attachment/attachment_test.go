package attachment

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The name that Kubernetes 1.37.2 gave to an attachment of csi.braid.dev.
func TestName(t *testing.T) {
	const want = "csi-43719bc9764404fc5ff27da04a85f0bb650a015cae6db0434d9d39d720f0c963"
	if got := Name("orders", "node1"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, want := range []Origin{
		{},
		{PersistentVolume: "pv-1"},
		{PersistentVolume: "pv-1", ClaimNamespace: "shop", ClaimName: "orders", ClaimUID: "6f1c6d8e-0000-4000-8000-000000000001"},
	} {
		got, err := Parse(want.Metadata())
		if err != nil {
			t.Errorf("Parse(%v): %v", want.Metadata(), err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("round trip (-want +got):\n%s", diff)
		}
	}
}

func TestMetadataLeavesOutWhatIsEmpty(t *testing.T) {
	got := Origin{PersistentVolume: "pv-1"}.Metadata()
	if want := map[string]string{"persistentVolumeName": "pv-1"}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestParseBadInput(t *testing.T) {
	for _, tc := range []struct {
		metadata map[string]string
		want     string // in the error; none if empty
	}{
		{nil, ""},
		{map[string]string{"somethingNew": "x\ny"}, ""},
		{map[string]string{"claimName": "a\nb"}, "claimName: "},
		{map[string]string{"claimName": "a b"}, "claimName: "},
		{map[string]string{"persistentVolumeName": strings.Repeat("x", 254)}, "persistentVolumeName: has 254 bytes"},
		{map[string]string{"claimNamespace": "\xff"}, "claimNamespace: "},
	} {
		_, err := Parse(tc.metadata)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("Parse(%q): %v, want %q", tc.metadata, err, tc.want)
		}
	}
}

// Whatever is read is fit to be shown, and is written as it was read.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, volume, namespace, claim, uid string) {
		metadata := map[string]string{
			"persistentVolumeName": volume, "claimNamespace": namespace, "claimName": claim, "claimUID": uid,
		}
		o, err := Parse(metadata)
		for key, value := range o.Metadata() {
			if value != metadata[key] || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Errorf("%s: read %q from %q", key, value, metadata[key])
			}
		}
		again, errAgain := Parse(o.Metadata())
		if o != again || errAgain != nil {
			t.Errorf("%+v became %+v, %v", o, again, errAgain)
		}
		if complete := len(o.Metadata()) == len(metadata); complete && err != nil {
			t.Errorf("all was read, and yet: %v", err)
		}
	})
}
