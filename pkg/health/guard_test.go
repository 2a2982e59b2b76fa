package health_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/health"
)

func TestGuard(t *testing.T) {
	long := strings.Repeat("ä", 600)
	for _, tt := range []struct {
		name     string
		findings []health.Finding
		want     []health.Finding
	}{
		{"none", nil, []health.Finding{}},
		{"worst first",
			[]health.Finding{{health.Degraded, health.PathFlapping, ""}, {health.Degraded, health.PathDown, ""}, {health.Inaccessible, health.DeviceVanished, ""}},
			[]health.Finding{{health.Inaccessible, health.DeviceVanished, ""}, {health.Degraded, health.PathDown, ""}, {health.Degraded, health.PathFlapping, ""}}},
		{"duplicates",
			[]health.Finding{{health.Degraded, health.PathDown, "b"}, {health.Degraded, health.PathDown, "a"}, {health.Inaccessible, health.PathDown, "c"}},
			[]health.Finding{{health.Inaccessible, health.PathDown, "c"}, {health.Degraded, health.PathDown, "a"}}},
		{"duplicates once mended",
			[]health.Finding{{health.Degraded, "PathDown", "a"}, {health.Degraded, "Path Down!", "b"}},
			[]health.Finding{{health.Degraded, "PathDown", "a"}}},
		{"a reason that starts and ends wrongly", []health.Finding{{health.Degraded, "1:aB9,:", ""}}, []health.Finding{{health.Degraded, "aB9", ""}}},
		{"a reason of nothing", []health.Finding{{health.Degraded, "ß-42", ""}}, []health.Finding{{health.Degraded, "Unspecified", ""}}},
		{"a long reason", []health.Finding{{health.Degraded, health.Reason(strings.Repeat("a", 255) + ":b"), ""}}, []health.Finding{{health.Degraded, health.Reason(strings.Repeat("a", 255)), ""}}},
		{"a status nobody knows", []health.Finding{{"DataLoss", health.PathDown, ""}}, []health.Finding{{health.Degraded, health.PathDown, ""}}},
		{"control characters", []health.Finding{{health.Degraded, health.PathDown, " a\n\x1b[31mb\u202e\x00"}}, []health.Finding{{health.Degraded, health.PathDown, "a  [31mb"}}},
		{"broken UTF-8", []health.Finding{{health.Degraded, health.PathDown, "a\xffb"}}, []health.Finding{{health.Degraded, health.PathDown, "a\uFFFDb"}}},
		{"a long message", []health.Finding{{health.Degraded, health.PathDown, long}}, []health.Finding{{health.Degraded, health.PathDown, strings.Repeat("ä", 510) + "…"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, health.Guard(tt.findings)); diff != "" {
				t.Errorf("Guard(%q) (-want +got):\n%s", tt.findings, diff)
			}
			checkGuarded(t, health.Guard(tt.findings))
		})
	}
}

func TestGuardKeepsTheWorst(t *testing.T) {
	var many []health.Finding
	for i := range 40 {
		many = append(many, health.Finding{Status: health.Degraded, Reason: health.Reason(fmt.Sprintf("R%d", i))})
	}
	many = append(many, health.Finding{Status: health.Inaccessible, Reason: "Worst"})
	got := health.Guard(many)
	checkGuarded(t, got)
	if len(got) != 16 || got[0].Reason != "Worst" {
		t.Errorf("Guard of 41 findings returned %d with %s first, want 16 with Worst first", len(got), got[0].Reason)
	}
}

var reasonSyntax = regexp.MustCompile(`\A[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?\z`)

// checkGuarded checks what Kubernetes checks, and that guarding is done.
func checkGuarded(t *testing.T, findings []health.Finding) {
	t.Helper()
	if len(findings) > 16 {
		t.Errorf("%d findings, at most 16 are allowed", len(findings))
	}
	seen := make(map[health.Finding]bool)
	for _, f := range findings {
		key := health.Finding{Status: f.Status, Reason: f.Reason}
		if seen[key] {
			t.Errorf("%s/%s is there twice", f.Status, f.Reason)
		}
		seen[key] = true
		switch f.Status {
		case health.Degraded, health.Inaccessible, health.StorageDegraded, health.StorageUnreachable:
		default:
			t.Errorf("status %q is foreign", f.Status)
		}
		if len(f.Reason) > 256 || !reasonSyntax.MatchString(string(f.Reason)) {
			t.Errorf("reason %q (%d bytes) is not allowed", f.Reason, len(f.Reason))
		}
		if len(f.Message) > 1024 || !utf8.ValidString(f.Message) || strings.ContainsFunc(f.Message, unicode.IsControl) {
			t.Errorf("message %q (%d bytes) is not allowed", f.Message, len(f.Message))
		}
	}
	if diff := cmp.Diff(findings, health.Guard(findings)); diff != "" {
		t.Errorf("guarding twice changes the findings (-once +twice):\n%s", diff)
	}
}
