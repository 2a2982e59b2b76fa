package agent

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
)

// TestStory follows one path set through its life and notes what is told.
func TestStory(t *testing.T) {
	e := newEntry("orders-x")
	for second, step := range []struct {
		name  string
		set   multipath.PathSet
		found []health.Finding
		want  []string
	}{
		{"staged, with a reset of last week on record", orders(pending, reset("R0", after(-1000))), nil, nil},
		{"up", orders(reset("R0", after(-1000))), nil, nil},
		{"cut", orders(reset("R0", after(-1000)), cut(3)), []health.Finding{lost}, []string{"Warning PathRedundancyLost"}},
		{"the same", orders(reset("R0", after(-1000)), cut(9)), []health.Finding{lost}, nil},
		{"the other one too", orders(reset("R0", after(-1000)), cut(9)), []health.Finding{none}, []string{"Warning NoUsablePath"}},
		{"one is back, and flaps", orders(reset("R0", after(-1000)), cut(9)), []health.Finding{lost, flapping}, []string{"Warning PathRedundancyLost", "Warning PathFlapping"}},
		{"flaps no more", orders(reset("R0", after(-1000))), []health.Finding{lost}, nil},
		{"well", orders(reset("R0", after(-1000))), nil, []string{"Normal Healthy"}},
		{"reset", orders(reset("R1", after(8))), nil, []string{"Normal CountersReset"}},
		{"well and quiet", orders(reset("R1", after(8))), nil, nil},
		{"moved", orders(reset("R1", after(8)), moved(after(10))), nil, []string{"Normal AddressMoved"}},
		{"still there", orders(reset("R1", after(8)), moved(after(10))), nil, nil},
	} {
		e.untold = nil
		e.see(testNode, "native", &step.set, step.found, after(float64(second)))
		if diff := cmp.Diff(step.want, spoken(e.untold)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		for _, h := range e.untold {
			if !h.at.Equal(after(float64(second))) || h.about == "" {
				t.Errorf("%s: %+v, want it told as of second %d", step.name, h, second)
			}
		}
	}
}

// spoken writes happenings as TYPE REASON.
func spoken(all []happening) []string {
	var words []string
	for _, h := range all {
		kind := corev1.EventTypeNormal
		if h.warning {
			kind = corev1.EventTypeWarning
		}
		words = append(words, kind+" "+h.reason)
	}
	return words
}

// TestStoryGoesOn: after a restart the API's conditions say what was told, and
// what happened meanwhile is told.
func TestStoryGoesOn(t *testing.T) {
	type found = []health.Finding
	for _, tc := range []struct {
		name          string
		before, after found
		reset         string // the latest, when it starts again
		want          []string
	}{
		{"nothing happened", nil, nil, "R0", nil},
		{"nothing happened, one is lost", found{lost}, found{lost}, "R0", nil},
		{"nothing happened to a finding behind another", found{flapping, unstable}, found{flapping, unstable}, "R0", nil},
		{"was lost meanwhile", nil, found{lost}, "R0", []string{"Warning PathRedundancyLost"}},
		{"came back meanwhile", found{lost}, nil, "R0", []string{"Normal Healthy"}},
		{"got worse meanwhile", found{lost}, found{none}, "R0", []string{"Warning NoUsablePath"}},
		{"got better meanwhile", found{none}, found{lost}, "R0", []string{"Warning PathRedundancyLost"}},
		{"one more", found{lost}, found{lost, slow}, "R0", []string{"Warning NoOptimizedPath"}},
		{"was reset meanwhile", found{lost}, found{lost}, "R1", []string{"Normal CountersReset"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			first, second := newEntry("x"), newEntry("x")
			set := orders(cut(1), reset("R0", noon))
			first.see(testNode, "native", &set, tc.before, after(1))
			second.have, second.presence, second.orphan = *first.want, present, true
			set = orders(cut(1), reset(tc.reset, after(60)))
			second.see(testNode, "native", &set, tc.after, after(100))
			if diff := cmp.Diff(tc.want, spoken(second.untold)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(tc.want) > 0 {
				return
			}
			for _, c := range second.want.status.Conditions {
				if !c.LastTransitionTime.Time.Equal(after(1)) {
					t.Errorf("%s since %s, want it as before the restart", c.Type, c.LastTransitionTime)
				}
			}
			if second.orphan {
				t.Error("still taken for an orphan")
			}
		})
	}
}

// TestEventStorm: a path set that never rests is told of now and then.
func TestEventStorm(t *testing.T) {
	e, told := newEntry("x"), 0
	for i := range 7200 { // an hour
		set, found := orders(), []health.Finding{lost}
		if i%2 == 0 {
			found = nil
		}
		e.see(testNode, "native", &set, found, after(float64(i)/2))
		told, e.untold = told+len(e.untold), nil
	}
	if told > eventBurst+61 {
		t.Errorf("%d events in an hour", told)
	}
	for i := range 7200 { // while nobody listens
		set := orders(reset(fmt.Sprint(i), after(float64(i))))
		e.see(testNode, "native", &set, nil, after(3600+60*float64(i)))
	}
	if len(e.untold) != maxUntold || !strings.Contains(e.untold[maxUntold-1].about, "reset 7199") {
		t.Errorf("%d happenings wait, want the latest %d: %+v", len(e.untold), maxUntold, e.untold)
	}
}

func TestEvent(t *testing.T) {
	claim := &v1alpha1.ClaimReference{Namespace: "shop", Name: strings.Repeat("c", 253), UID: "claim-uid"}
	name := Name(testNode, strings.Repeat("x", 128))
	h := happening{after(0.5), true, "PathRedundancyLost", strings.Repeat("ü\n", 1024)}
	names := map[string]bool{}
	for i, on := range subjects(name, "set-uid", claim) {
		e := h.event(testNode, name, on)
		want := []struct{ kind, namespace, involved, uid string }{
			{"NVMePathSet", "default", "", "set-uid"}, {"PersistentVolumeClaim", "shop", "shop", "claim-uid"},
		}[i]
		if e.InvolvedObject.Kind != want.kind || e.Namespace != want.namespace || e.InvolvedObject.Namespace != want.involved || string(e.InvolvedObject.UID) != want.uid {
			t.Errorf("event on %+v in namespace %q, want %+v", e.InvolvedObject, e.Namespace, want)
		}
		if e.Type != corev1.EventTypeWarning || !e.FirstTimestamp.Time.Equal(noon) || e.Source.Component != "braid-node" || e.Count != 1 {
			t.Errorf("event %+v", e)
		}
		if problems := validation.IsDNS1123Subdomain(e.Name); len(problems) > 0 {
			t.Errorf("name %q: %v", e.Name, problems)
		}
		if len(e.Message) > maxNote || strings.Contains(e.Message, "\n") {
			t.Errorf("message of %d bytes: %q", len(e.Message), e.Message)
		}
		if again := h.event(testNode, name, on); again.Name != e.Name {
			t.Errorf("told again it is %q, and was %q", again.Name, e.Name)
		}
		names[e.Name] = true
		for _, other := range []happening{{after(0.6), true, h.reason, h.about}, {h.at, true, "PathDown", h.about}, {h.at, true, h.reason, "x"}} {
			names[other.event(testNode, name, on).Name] = true
		}
	}
	if len(names) != 8 {
		t.Errorf("8 events have %d names", len(names))
	}
	for _, claim := range []*v1alpha1.ClaimReference{nil, {Namespace: "shop", Name: "orders"}} {
		if got := subjects(name, "set-uid", claim); len(got) != 1 {
			t.Errorf("claim %+v: told on %+v, want the path set alone", claim, got)
		}
	}
}

func TestToldBy(t *testing.T) {
	is := func(c string, s metav1.ConditionStatus, reason health.Reason) metav1.Condition {
		return metav1.Condition{Type: c, Status: s, Reason: string(reason)}
	}
	got := toldBy([]metav1.Condition{
		is(v1alpha1.ConditionReady, metav1.ConditionFalse, health.PathRedundancyLost),
		is(v1alpha1.ConditionAvailable, metav1.ConditionTrue, "Healthy"),
		is(v1alpha1.ConditionRedundant, metav1.ConditionFalse, health.PathRedundancyLost),
		is(v1alpha1.ConditionStable, metav1.ConditionUnknown, "Staging"),
	}, nil)
	if diff := cmp.Diff([]health.Reason{health.PathRedundancyLost}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
