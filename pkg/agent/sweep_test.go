package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// TestSweep keeps two records for a day, and what the last hour's attempts were.
func TestSweep(t *testing.T) {
	kept := policyFor("gold", doing("ResetController"))
	kept.Spec.Remediation.Records = &v1alpha1.RecordLimit{Max: ptr.To[int32](2), TTL: "24h"}
	record := func(ago time.Duration, change ...func(*v1alpha1.NVMePathRemediation)) func(*v1alpha1.NVMePathRemediation) {
		return func(r *v1alpha1.NVMePathRemediation) {
			r.Name, r.Spec.PolicyName = ago.String(), "gold"
			r.Status.CompletionTime = stamp(noon.Add(-ago))
			r.Status.Conditions = []metav1.Condition{{Type: "Succeeded", Status: "False", Reason: "FaultPersists"}}
			for _, c := range change {
				c(r)
			}
			r.UID = types.UID("uid-of-" + r.Name)
		}
	}
	byHand := func(r *v1alpha1.NVMePathRemediation) { r.Name, r.Spec.PolicyName = "by-hand", "" }
	open := func(r *v1alpha1.NVMePathRemediation) { r.Name, r.Status = "open", v1alpha1.NVMePathRemediationStatus{} }
	other := func(r *v1alpha1.NVMePathRemediation) { r.Name, r.Spec.PathSet = "other-"+r.Name, "unstaged" }
	for name, tc := range map[string]struct {
		records []func(*v1alpha1.NVMePathRemediation)
		removed string
	}{
		"few and young":            {[]func(*v1alpha1.NVMePathRemediation){record(2 * time.Hour), record(3 * time.Hour)}, ""},
		"too many":                 {[]func(*v1alpha1.NVMePathRemediation){record(2 * time.Hour), record(3 * time.Hour), record(4 * time.Hour), record(5 * time.Hour)}, "5h0m0s, 4h0m0s"},
		"too many of late":         {[]func(*v1alpha1.NVMePathRemediation){record(10 * time.Minute), record(20 * time.Minute), record(30 * time.Minute), record(2 * time.Hour)}, "2h0m0s"},
		"too old":                  {[]func(*v1alpha1.NVMePathRemediation){record(2 * time.Hour), record(25 * time.Hour)}, "25h0m0s"},
		"not what people want":     {[]func(*v1alpha1.NVMePathRemediation){record(2 * time.Hour), record(3 * time.Hour), record(100*time.Hour, byHand)}, ""},
		"not what is open":         {[]func(*v1alpha1.NVMePathRemediation){record(2 * time.Hour), record(3 * time.Hour), record(0, open)}, ""},
		"each path set by itself":  {[]func(*v1alpha1.NVMePathRemediation){record(2 * time.Hour), record(3 * time.Hour), record(4*time.Hour, other)}, ""},
		"of a volume that is gone": {[]func(*v1alpha1.NVMePathRemediation){record(169*time.Hour, other)}, "other-169h0m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newHouse(t, kept)
			w.change(calm)
			for _, r := range tc.records {
				if err := w.api.store.Create(w.ctx, requested(r)); err != nil {
					t.Fatal(err)
				}
			}
			w.live(1)
			var removed []string
			for _, asked := range w.api.took() {
				if what, ok := strings.CutPrefix(asked, "delete "); ok {
					removed = append(removed, what)
				}
			}
			if got := strings.Join(removed, ", "); got != tc.removed {
				t.Errorf("removed %q, want %q", got, tc.removed)
			}
			left := len(w.recorded())
			if want := len(tc.records) - len(removed); left != want {
				t.Errorf("%d records are left, want %d", left, want)
			}
			w.live(30)
			if again := w.api.took(); slices.ContainsFunc(again, func(s string) bool { return strings.HasPrefix(s, "delete") }) {
				t.Errorf("removed within the same minute: %q", fmt.Sprint(again))
			}
		})
	}
}
