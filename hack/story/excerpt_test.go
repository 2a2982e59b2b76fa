package story

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const described = `Name:         orders-0123456789
Labels:       <none>
Spec:
  Node Name:  node1
Status:
  Conditions:
    Last Transition Time:  2026-11-22T20:00:00Z
    Status:                True
    Type:                  Available
    Last Transition Time:  2026-11-22T20:01:00Z
    Status:                False
    Type:                  Redundant
    Last Transition Time:  2026-11-22T20:01:00Z
    Status:                True
    Type:                  Stable
  Device:         nvme0n1
  Paths:
    Address:  tcp://192.0.2.2:4420
    Errors:
      Lifetime:     0
      Since Reset:  0
    Usable:         false
    Address:        tcp://192.0.2.18:4420
    Errors:
      Lifetime:     0
      Since Reset:  0
    Usable:         true
  Summary:          1/2
Events:
  Type     Reason
  Warning  PathRedundancyLost
`

const outlined = `Name:         orders-0123456789
...
Status:
  Conditions:
    ...
    Last Transition Time:  2026-11-22T20:01:00Z
    Status:                False
    Type:                  Redundant
    ...
  Paths:
    Address:  tcp://192.0.2.2:4420
    Errors:
      Lifetime:     0
      Since Reset:  0
    Usable:         false
    ...
  Summary:          1/2
Events:
  Type     Reason
  Warning  PathRedundancyLost
`

func TestOutline(t *testing.T) {
	got := outline(described, []string{"Name", "Status", "  Summary"}, []string{"Type: Redundant", "Address: tcp://192.0.2.2:4420"})
	if d := cmp.Diff(outlined, got); d != "" {
		t.Errorf("outline (-want +got):\n%s", d)
	}
}

func TestHeadUntil(t *testing.T) {
	for in, want := range map[string]string{
		"a: 1\nNOTES:\n  b\n": "a: 1\n...\n",
		"nothing\n":           "nothing\n",
	} {
		if got := headUntil(in, "NOTES:"); got != want {
			t.Errorf("headUntil(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestTailFrom(t *testing.T) {
	for in, want := range map[string]string{
		"a: 1\nspec:\n  b\n": "...\nspec:\n  b\n",
		"spec:\n  b\n":       "spec:\n  b\n",
		"nothing\n":          "nothing\n",
	} {
		if got := tailFrom(in, "spec:"); got != want {
			t.Errorf("tailFrom(%q) = %q, want %q", in, got, want)
		}
	}
}
