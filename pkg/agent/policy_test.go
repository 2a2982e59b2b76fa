package agent

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/remediation"
)

// policyFor makes a policy.
func policyFor(name string, change ...func(*v1alpha1.NVMePathPolicy)) v1alpha1.NVMePathPolicy {
	p := v1alpha1.NVMePathPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, c := range change {
		c(&p)
	}
	return p
}

func selecting(s v1alpha1.PathSetSelector) func(*v1alpha1.NVMePathPolicy) {
	return func(p *v1alpha1.NVMePathPolicy) { p.Spec.Selector = &s }
}

func doing(steps ...v1alpha1.RemediationAction) func(*v1alpha1.NVMePathPolicy) {
	return func(p *v1alpha1.NVMePathPolicy) {
		p.Spec.Remediation = &v1alpha1.RemediationPolicy{Steps: steps, StabilizationWindow: "10s",
			BackOff: &v1alpha1.BackOff{Initial: "10s", Max: "40s"}, Attempts: &v1alpha1.AttemptLimit{Max: ptr.To[int32](3), Window: "1h"}}
	}
}

func episodes(n int32) func(*v1alpha1.NVMePathPolicy) {
	return func(p *v1alpha1.NVMePathPolicy) {
		p.Spec.Health = &v1alpha1.HealthPolicy{Flapping: &v1alpha1.EpisodeThreshold{Episodes: &n, Window: "30m"}, ClearAfter: "1m30s"}
	}
}

func priority(n int32) func(*v1alpha1.NVMePathPolicy) {
	return func(p *v1alpha1.NVMePathPolicy) { p.Spec.Priority = n }
}

func suspended(addresses ...string) func(*v1alpha1.NVMePathPolicy) {
	return func(p *v1alpha1.NVMePathPolicy) {
		p.Spec.Suspension = &v1alpha1.Suspension{Reason: "ticket 4711", Addresses: addresses}
	}
}

// holds is what a test compares of rules.
type holds struct {
	Policy    string
	Steps     []remediation.Step
	Episodes  int
	Suspended remediation.Suspension
	Known     bool
}

// TestPolicies is about the volume orders, of class gold and in the zone a.
func TestPolicies(t *testing.T) {
	type all = []v1alpha1.NVMePathPolicy
	gold, zone := v1alpha1.PathSetSelector{StorageClassNames: []string{"silver", "gold"}}, v1alpha1.PathSetSelector{VolumeLabels: map[string]v1alpha1.LabelValue{"zone": "a"}}
	scan, counters := []remediation.Step{remediation.Rescan}, []remediation.Step{remediation.ResetCounters}
	for name, tc := range map[string]struct {
		policies all
		unread   bool // the PersistentVolume was not read yet
		want     holds
	}{
		"none":                   {nil, false, holds{Episodes: 3, Known: true}},
		"a default":              {all{policyFor("d", doing("ResetCounters"))}, false, holds{"d", counters, 3, remediation.Suspension{}, true}},
		"by class":               {all{policyFor("d", doing("ResetCounters")), policyFor("x", selecting(gold), doing("Rescan"))}, false, holds{"x", scan, 3, remediation.Suspension{}, true}},
		"a default of priority":  {all{policyFor("d", doing("ResetCounters"), priority(9)), policyFor("x", selecting(zone), doing("Rescan"))}, false, holds{"x", scan, 3, remediation.Suspension{}, true}},
		"the greater priority":   {all{policyFor("a", selecting(gold), doing("ResetCounters")), policyFor("b", selecting(zone), doing("Rescan"), priority(1))}, false, holds{"b", scan, 3, remediation.Suspension{}, true}},
		"the first name":         {all{policyFor("b", selecting(gold), doing("ResetCounters")), policyFor("a", selecting(zone), doing("Rescan"))}, false, holds{"a", scan, 3, remediation.Suspension{}, true}},
		"each section by itself": {all{policyFor("d", doing("Rescan"), episodes(5)), policyFor("x", selecting(gold), episodes(2))}, false, holds{"d", scan, 2, remediation.Suspension{}, true}},
		"another class":          {all{policyFor("x", selecting(v1alpha1.PathSetSelector{StorageClassNames: []string{"silver"}}), doing("Rescan"))}, false, holds{Episodes: 3, Known: true}},
		"another label": {all{policyFor("x", selecting(v1alpha1.PathSetSelector{VolumeLabels: map[string]v1alpha1.LabelValue{"zone": "a", "tier": ""}}), doing("Rescan"))}, false,
			holds{Episodes: 3, Known: true}},
		"another node":   {all{policyFor("x", selecting(v1alpha1.PathSetSelector{NodeNames: []string{"worker-2"}}), doing("Rescan"))}, false, holds{Episodes: 3, Known: true}},
		"another volume": {all{policyFor("x", selecting(v1alpha1.PathSetSelector{PersistentVolumeNames: []string{"pv-logs"}, NodeNames: []string{testNode}}), doing("Rescan"))}, false, holds{Episodes: 3, Known: true}},
		"this one on this node": {all{policyFor("x", selecting(v1alpha1.PathSetSelector{PersistentVolumeNames: []string{"pv-orders"}, NodeNames: []string{testNode}}), doing("Rescan"))}, true,
			holds{"x", scan, 3, remediation.Suspension{}, true}},
		"class unknown yet": {all{policyFor("d", doing("Rescan")), policyFor("x", selecting(gold), suspended())}, true, holds{"d", scan, 3, remediation.Suspension{}, false}},
		"suspended":         {all{policyFor("d", doing("Rescan"), priority(1000)), policyFor("off", suspended())}, false, holds{"d", scan, 3, remediation.Suspension{All: true}, true}},
		"suspended elsewhere": {all{policyFor("d", doing("Rescan")), policyFor("off", selecting(v1alpha1.PathSetSelector{NodeNames: []string{"worker-2"}}), suspended())}, false,
			holds{"d", scan, 3, remediation.Suspension{}, true}},
		"an address suspended": {all{policyFor("d", doing("Rescan"), suspended("tcp://192.0.2.1:4420"))}, false,
			holds{"d", scan, 3, remediation.Suspension{Addresses: []nvme.TransportID{way("192.0.2.1")}}, true}},
		"an address of tomorrow": {all{policyFor("d", doing("Rescan"), suspended("quic://port-1"))}, false,
			holds{"d", scan, 3, remediation.Suspension{All: true}, true}},
		"a step of tomorrow": {all{policyFor("d", doing("Reboot"))}, false, holds{"d", nil, 3, remediation.Suspension{}, true}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPolicies(testNode, health.DefaultPolicy())
			p.take(tc.policies)
			if !tc.unread {
				p.volumes["pv-orders"] = volumeFacts{class: "gold", labels: map[string]string{"zone": "a"}}
			}
			set := orders()
			r, known := p.forSet(&set)
			got := holds{r.name, r.remediation.Steps, r.remediation.Flapping.Episodes, r.suspended, known}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if err := r.remediation.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPoliciesUnheard: before all policies were heard of, nothing is known.
func TestPoliciesUnheard(t *testing.T) {
	set := orders()
	if _, known := newPolicies(testNode, health.DefaultPolicy()).forSet(&set); known {
		t.Error("policies are known that nobody has told of")
	}
}

// TestPolicyValues: what the API has as text comes out as it is meant.
func TestPolicyValues(t *testing.T) {
	one := policyFor("d", doing("Rescan", "ResetCounters"), episodes(2))
	one.Spec.Remediation.BenchTime = "2m"
	one.Spec.Remediation.Records = &v1alpha1.RecordLimit{Max: ptr.To[int32](4), TTL: "24h"}
	got := resolve([]*v1alpha1.NVMePathPolicy{&one}, health.DefaultPolicy())
	want := rules{
		name:   "d",
		health: health.DefaultPolicy(),
		remediation: remediation.Policy{
			Steps:    []remediation.Step{remediation.Rescan, remediation.ResetCounters},
			Flapping: remediation.Threshold{Episodes: 2, Window: 30 * time.Minute}, Unstable: remediation.Threshold{Episodes: 3, Window: 10 * time.Minute},
			Stabilization: 10 * time.Second, BackOff: 10 * time.Second, MaxBackOff: 40 * time.Second, Attempts: 3, Window: time.Hour,
			BenchTime: 2 * time.Minute,
		},
		records: recordLimit{4, 24 * time.Hour},
	}
	want.health.FlappingEpisodes, want.health.FlappingWindow, want.health.ClearAfter = 2, 30*time.Minute, 90*time.Second
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(rules{}, recordLimit{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	one.Spec.Health.ClearAfter, one.Spec.Remediation.StabilizationWindow = "soon", "later"
	fallback := health.Policy{FlappingEpisodes: 7}
	if got := resolve([]*v1alpha1.NVMePathPolicy{&one}, fallback); got.health != fallback || len(got.remediation.Steps) != 0 {
		t.Errorf("values that cannot be read have come to %+v", got)
	}
}

// TestHealthPolicy: health goes by policies.
func TestHealthPolicy(t *testing.T) {
	a := &Agent{policies: newPolicies(testNode, health.DefaultPolicy())}
	set := orders(func(*multipath.PathSet) {})
	if got := a.HealthPolicy(&set); got != health.DefaultPolicy() {
		t.Errorf("without a policy: %+v", got)
	}
	a.policies.take([]v1alpha1.NVMePathPolicy{policyFor("d", episodes(2))})
	if got := a.HealthPolicy(&set).FlappingEpisodes; got != 2 {
		t.Errorf("%d episodes, want those of the policy", got)
	}
}
