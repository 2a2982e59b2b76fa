package agent

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

func TestName(t *testing.T) {
	for _, tc := range []struct{ node, handle, want string }{
		{"worker-1", "orders", "orders-6and1dcp0k"},
		{"worker-2", "orders", "orders-"},
		{"worker-1", "Orders", "orders-"},
		{"worker-1", "nqn.2014-08.org.example:a/b#1", "nqn-2014-08-org-example-a-b-1-"},
		{"worker-1", "../../etc/passwd", "etc-passwd-"},
		{"worker-1", "ä ö", "volume-"},
		{"worker-1", "", "volume-"},
		{"worker-1", strings.Repeat("x", 128), strings.Repeat("x", 40) + "-"},
		{"worker-1", strings.Repeat("x", 39) + "-y", strings.Repeat("x", 39) + "-"},
	} {
		if got := Name(tc.node, tc.handle); !strings.HasPrefix(got, tc.want) || len(got) > len(tc.want)+hashDigits {
			t.Errorf("Name(%q, %q) = %q, want %q and a hash", tc.node, tc.handle, got, tc.want)
		}
	}
}

// FuzzName: whatever a handle is, its path set has a name that the API takes,
// and another volume's or another node's has another one.
func FuzzName(f *testing.F) {
	f.Fuzz(func(t *testing.T, node, handle, other string) {
		if strings.Contains(node, "\x00") || strings.Contains(other, "\x00") {
			return // no node has such a name
		}
		name := Name(node, handle)
		if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 || len(name) > 63 {
			t.Errorf("Name(%q, %q) = %q: %v", node, handle, name, problems)
		}
		if other != handle && Name(node, other) == name {
			t.Errorf("on %q, %q and %q have one name %q", node, handle, other, name)
		}
		if other != node && Name(other, handle) == name {
			t.Errorf("of %q, %q and %q have one name %q", handle, node, other, name)
		}
		if node != handle && Name(handle, node) == name && !strings.Contains(handle, "\x00") {
			t.Errorf("%q on %q and the other way round have one name %q", handle, node, name)
		}
	})
}
