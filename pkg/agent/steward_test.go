package agent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

var first = way("192.0.2.1").String()

// newHouse is a workshop with the volume orders, both of whose paths answer, and
// policies.
func newHouse(t *testing.T, policies ...v1alpha1.NVMePathPolicy) *workshop {
	t.Helper()
	w := newWorkshop(t, requested(func(r *v1alpha1.NVMePathRemediation) {
		r.Name, r.Spec.NodeName = "of-another-node", "worker-2"
		r.Status.Conditions = []metav1.Condition{{Type: "Succeeded", Status: "True", Reason: "Done"}}
	}))
	w.policies.take(policies)
	w.policies.volumes["pv-orders"] = volumeFacts{class: "gold", read: after(1e9)}
	w.node.subsystem = &multipath.Subsystem{Name: "nvme-subsys0", Heads: []multipath.Head{{Name: "nvme0n1"}}}
	w.node.evidence = map[string]multipath.Evidence{}
	for i, p := range w.node.snap.PathSets[0].Paths {
		w.node.subsystem.Controllers = append(w.node.subsystem.Controllers, multipath.Controller{
			Name: p.Controller, State: nvme.StateLive, Address: p.Address, Owner: multipath.Owner,
		})
		w.node.subsystem.Heads[0].Paths = append(w.node.subsystem.Heads[0].Paths, multipath.HeadPath{
			Name: p.Name, Controller: p.Controller, ANAState: nvme.ANAOptimized,
		})
		w.node.evidence[fmt.Sprint("nvme", i)] = multipath.Evidence{Connections: multipath.Answering}
	}
	w.happens(-300, -200, -100)
	return w
}

// happens has the first path fail over at such times after noon.
func (w *workshop) happens(seconds ...float64) {
	w.change(func(set *multipath.PathSet) {
		r := &set.Paths[0].Record
		for _, s := range seconds {
			r.LastEvent = after(s)
			r.Episodes = append(slices.Clone(r.Episodes), r.LastEvent)
		}
	})
}

// calm is a first path to which nothing has happened.
func calm(set *multipath.PathSet) { set.Paths[0].Record = ledger.Record{} }

// change has the node show something else from now on.
func (w *workshop) change(to func(*multipath.PathSet)) {
	set := w.node.snap.PathSets[0]
	set.Paths = slices.Clone(set.Paths)
	to(&set)
	w.node.snap = &multipath.Snapshot{At: w.clock, PathSets: []multipath.PathSet{set}}
}

// live lets so many seconds go by. A request that fails does not end it.
func (w *workshop) live(seconds int) {
	w.t.Helper()
	for range seconds {
		w.clock = w.clock.Add(time.Second)
		snap := *w.node.snap
		snap.At = w.clock
		w.node.snap = &snap
		if r := w.node.records; len(r) > 0 {
			w.node.snap.PathSets[0].LastReset = &r[len(r)-1]
		}
		_ = w.steward.round(w.ctx)
		for _, r := range w.recorded() {
			if w.clock.Before(w.due[r.Name]) {
				continue
			}
			result, _ := w.executor.Reconcile(w.ctx, requestFor(r.Name))
			w.due[r.Name] = w.clock.Add(result.RequeueAfter)
		}
	}
}

// recorded are this node's remediations, by when they were asked for.
func (w *workshop) recorded() []v1alpha1.NVMePathRemediation {
	w.t.Helper()
	var all v1alpha1.NVMePathRemediationList
	if err := w.api.store.List(w.t.Context(), &all, client.MatchingFields{"spec.nodeName": testNode}); err != nil {
		w.t.Fatal(err)
	}
	slices.SortFunc(all.Items, func(a, b v1alpha1.NVMePathRemediation) int {
		return timeOf(a.Status.StartTime).Compare(timeOf(b.Status.StartTime))
	})
	return all.Items
}

// outcomes are what came of the remediations, each as one text.
func (w *workshop) outcomes() []string {
	w.t.Helper()
	var all []string
	for _, r := range w.recorded() {
		o := outcomeOf(r.Status)
		all = append(all, o.Succeeded+": "+strings.Join(o.Steps, ", "))
	}
	return all
}

func (w *workshop) wants(outcomes, did []string) {
	w.t.Helper()
	if diff := cmp.Diff(outcomes, w.outcomes()); diff != "" {
		w.t.Errorf("remediations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(did, w.node.did); diff != "" {
		w.t.Errorf("did (-want +got):\n%s", diff)
	}
}

// says are the reasons of what was told.
func (w *workshop) says() []string {
	var all []string
	for _, h := range w.told {
		about, _, _ := strings.Cut(h.about, ":")
		all = append(all, h.reason+" "+strings.Fields(about)[0])
	}
	return all
}

const (
	resetFirst   = "reset controller of tcp://192.0.2.1:4420"
	resetByAgent = "reset orders by " + testUser + ": "
)

// TestRepair: a path that fails again and again is set up anew, and when it has
// been quiet for ten seconds, counters are reset. That is all.
func TestRepair(t *testing.T) {
	w := newHouse(t, policyFor("gold", doing("Rescan", "ResetController", "ResetCounters")))
	w.live(8)
	w.wants([]string{"Unknown/Stabilizing: ResetController Done"}, []string{resetFirst})
	w.live(3600)
	w.wants([]string{"True/Done: ResetController Done, ResetCounters Done"},
		[]string{resetFirst, resetByAgent + w.recorded()[0].Spec.Reason})
	if diff := cmp.Diff([]string{"Remediating ResetController", "Remediated tcp"}, w.says()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	r := w.recorded()[0]
	if r.Spec.PolicyName != "gold" || r.Spec.RequestedBy != testUser || r.Spec.Path != first || r.Spec.PathSet != ordersName {
		t.Errorf("asked for: %+v", r.Spec)
	}
	if s := r.Status.Steps; s[1].Time.Sub(s[0].Time.Time) < 10*time.Second {
		t.Errorf("counters were reset at %s, after a step that ended at %s", s[1].Time, s[0].Time)
	}
}

// TestRepairInVain: what does not help is not done for ever.
func TestRepairInVain(t *testing.T) {
	w := newHouse(t, policyFor("gold", doing("ResetController", "ResetCounters")))
	for i := range 600 { // an hour
		w.live(6)
		w.happens(float64(6*i + 6))
	}
	failed := "False/FaultPersists: ResetController Done, ResetCounters Skipped"
	w.wants([]string{failed, failed, failed}, []string{resetFirst, resetFirst, resetFirst})
	if got := w.says(); got[len(got)-1] != "NotRemediated AttemptsExhausted" {
		t.Errorf("told %q", got)
	}
	var began []time.Time
	for _, r := range w.recorded() {
		began = append(began, timeOf(r.Status.StartTime))
		if c := succeeded(&r.Status); !strings.Contains(c.Message, "ResetController: Done") {
			t.Errorf("it is not said what was tried: %q", c.Message)
		}
	}
	if one, two := began[1].Sub(began[0]), began[2].Sub(began[1]); one < 10*time.Second || two < 20*time.Second {
		t.Errorf("pauses of %s and %s, want at least 10s and 20s", one, two)
	}
}

// TestKeepsItsHandsOff is about what a node does not do by itself, and says.
func TestKeepsItsHandsOff(t *testing.T) {
	steps := doing("Rescan", "ResetController", "KickConnection", "Reconnect", "ResetCounters")
	lonely := func(w *workshop) { // somebody else's namespace, over the first controller only
		w.node.subsystem.Heads = append(w.node.subsystem.Heads, multipath.Head{Name: "nvme0n2", Paths: w.node.subsystem.Heads[0].Paths[:1]})
	}
	for name, tc := range map[string]struct {
		policies []v1alpha1.NVMePathPolicy
		node     func(*workshop)
		says     string
	}{
		"without a policy":       {nil, nil, ""},
		"nothing allowed":        {[]v1alpha1.NVMePathPolicy{policyFor("d", doing())}, nil, ""},
		"counters only":          {[]v1alpha1.NVMePathPolicy{policyFor("d", doing("ResetCounters"))}, nil, ""},
		"switched off":           {[]v1alpha1.NVMePathPolicy{policyFor("d", steps), policyFor("off", suspended())}, nil, "Suspended"},
		"switched off for it":    {[]v1alpha1.NVMePathPolicy{policyFor("d", steps), policyFor("off", suspended(first))}, nil, "Suspended"},
		"class not known":        {[]v1alpha1.NVMePathPolicy{policyFor("d", steps), policyFor("x", selecting(v1alpha1.PathSetSelector{StorageClassNames: []string{"x"}}))}, func(w *workshop) { clear(w.policies.volumes); w.api.answering(nobody) }, ""},
		"the last path":          {[]v1alpha1.NVMePathPolicy{policyFor("d", steps)}, func(w *workshop) { w.node.subsystem.Heads[0].Paths[1].ANAState = nvme.ANAInaccessible }, "LastUsablePath"},
		"the last of another":    {[]v1alpha1.NVMePathPolicy{policyFor("d", steps)}, lonely, "LastUsablePath"},
		"somebody else's":        {[]v1alpha1.NVMePathPolicy{policyFor("d", steps)}, func(w *workshop) { w.node.subsystem.Controllers[0].Owner = "nvme-cli" }, "NotOurs"},
		"not proved to answer":   {[]v1alpha1.NVMePathPolicy{policyFor("d", steps)}, func(w *workshop) { clear(w.node.evidence) }, "NoStepFits"},
		"the API server is away": {[]v1alpha1.NVMePathPolicy{policyFor("d", steps)}, func(w *workshop) { w.api.answering(nobody) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newHouse(t, tc.policies...)
			if tc.node != nil {
				tc.node(w)
			}
			w.live(120)
			w.wants(nil, nil)
			if got := strings.Join(w.says(), ", "); tc.says == "" && got != "" || !strings.Contains(got, tc.says) {
				t.Errorf("told %q, want %q", got, tc.says)
			}
		})
	}
}

// TestMendedBySomebody: once a fault is over, whoever has mended it, counters are
// reset by a policy that wants that.
func TestMendedBySomebody(t *testing.T) {
	w := newHouse(t, policyFor("d", doing("ResetCounters")))
	w.live(1200) // the episodes grow old
	w.wants([]string{"True/Done: ResetCounters Done"}, []string{resetByAgent + "every path has been usable and quiet for long enough"})
}

// TestResetAfterRestart: a braid-node that is started anew once counters are to be
// reset does not know for how long paths were usable. It waits, and asks for
// nothing again.
func TestResetAfterRestart(t *testing.T) {
	w := newHouse(t, policyFor("d", doing("ResetCounters")))
	asked := false
	w.api.answering(func(verb, name string) error {
		if asked {
			return errAway
		}
		asked = verb == "create" && name != "SelfSubjectReview"
		return nil
	})
	for i := 0; i < 1200 && !asked; i++ {
		w.live(1)
	}
	w.api.answering(nil)
	w.restart()
	w.live(5)
	w.wants([]string{"Unknown/Stabilizing: "}, nil)
	w.live(600)
	w.wants([]string{"True/Done: ResetCounters Done"}, []string{resetByAgent + "every path has been usable and quiet for long enough"})
}

// TestRepairCrash kills braid-node before and after each request to the API
// server, and at each thing it does. Whatever it was at, a controller is not reset
// twice for one record, nothing stays open, and in the end all is well.
func TestRepairCrash(t *testing.T) {
	for _, late := range []bool{false, true} {
		for n := 1; ; n++ {
			w := newHouse(t, policyFor("gold", doing("ResetController", "ResetCounters")))
			left, died := n, false
			w.api.answering(func(verb, _ string) error {
				switch left--; {
				case left > 0:
					return nil
				case left == 0 && late:
					died = true
					return errLate
				}
				died = true
				return errAway
			})
			for i := 0; i < 60 && !died; i++ {
				w.live(1)
			}
			if !died && n > 5 {
				t.Logf("killed at each of %d requests, after it: %t", n-1, late)
				break
			}
			w.api.answering(nil)
			w.restart()
			w.live(90)
			w.recovered(fmt.Sprintf("killed at request %d, after it: %t", n, late))
		}
	}
}

// recovered wants all to be well after a crash.
func (w *workshop) recovered(when string) {
	w.t.Helper()
	controllers := 0
	for _, d := range w.node.did {
		if d == resetFirst {
			controllers++
		}
	}
	all := w.recorded()
	for _, r := range all {
		if r.Status.CompletionTime == nil {
			w.t.Errorf("%s: %s is still %v", when, r.Name, outcomeOf(r.Status))
		}
	}
	if controllers > len(all) || len(w.node.records) != 1 {
		w.t.Errorf("%s: %d resets of a controller, %d of counters, records:\n%s", when, controllers, len(w.node.records), strings.Join(w.outcomes(), "\n"))
	}
}

// TestRepairWithoutAPI: an API server that goes away while a controller is reset
// costs neither the record nor a second reset.
func TestRepairWithoutAPI(t *testing.T) {
	w := newHouse(t, policyFor("gold", doing("ResetController", "ResetCounters")))
	w.node.then = func() { w.api.answering(nobody) }
	w.live(60)
	w.wants([]string{"Unknown/Running: ResetController Running"}, []string{resetFirst})
	w.api.answering(nil)
	w.live(120)
	w.wants([]string{"True/Done: ResetController Done, ResetCounters Done"},
		[]string{resetFirst, resetByAgent + w.recorded()[0].Spec.Reason})
}

// TestRepairBeforePoliciesAreHeard: a braid-node that has just started judges what
// it was at by the policy, not by the lack of one.
func TestRepairBeforePoliciesAreHeard(t *testing.T) {
	w := newHouse(t, policyFor("gold", doing("ResetController", "ResetCounters")))
	w.live(8)
	facts := w.policies.volumes
	w.policies = newPolicies(testNode, health.DefaultPolicy())
	w.restart()
	w.live(60)
	w.wants([]string{"Unknown/Stabilizing: ResetController Done"}, []string{resetFirst})
	w.policies.take([]v1alpha1.NVMePathPolicy{policyFor("gold", doing("ResetController", "ResetCounters"))})
	w.policies.volumes = facts
	w.live(60)
	w.wants([]string{"True/Done: ResetController Done, ResetCounters Done"},
		[]string{resetFirst, resetByAgent + w.recorded()[0].Spec.Reason})
}

// TestByHand is about what people ask for.
func TestByHand(t *testing.T) {
	controller := func(r *v1alpha1.NVMePathRemediation) {
		r.Spec.Path, r.Spec.Actions = first, []v1alpha1.RemediationAction{v1alpha1.ActionResetController}
	}
	for name, tc := range map[string]struct {
		request func(*v1alpha1.NVMePathRemediation)
		node    func(*workshop)
		want    string
		reason  string // of the first step
		did     int
	}{
		"a path that flaps":   {controller, nil, "True/Done: ResetController Done", "", 1},
		"a path that is fine": {controller, func(w *workshop) { w.change(calm) }, "False/AlreadyFine: ResetController Refused", "AlreadyFine", 0},
		"the last path": {controller, func(w *workshop) { w.node.subsystem.Heads[0].Paths[1].ANAState = nvme.ANAInaccessible },
			"False/LastUsablePath: ResetController Refused", "LastUsablePath", 0},
		"while switched off": {controller, func(w *workshop) { w.policies.take([]v1alpha1.NVMePathPolicy{policyFor("off", suspended())}) },
			"True/Done: ResetController Done", "", 1},
		"the kernel is at another": {controller, func(w *workshop) { w.node.leverFails = fmt.Errorf("another: %w", multipath.ErrBusy) },
			"False/InProgress: ResetController Refused", "InProgress", 1},
		"the kernel fails": {controller, func(w *workshop) { w.node.leverFails = errors.New("input/output error") },
			"False/ActionFailed: ResetController Failed", "", 1},
		"the wrong lever": {func(r *v1alpha1.NVMePathRemediation) {
			r.Spec.Path, r.Spec.Actions = first, []v1alpha1.RemediationAction{v1alpha1.ActionReconnect, v1alpha1.ActionResetCounters}
		}, nil, "False/NoStepFits: Reconnect Refused, ResetCounters Skipped", "NoStepFits", 0},
		"the state has changed": {controller, func(w *workshop) { w.node.leverFails = fmt.Errorf("nvme0 is resetting: %w", multipath.ErrUnfit) },
			"False/NoStepFits: ResetController Refused", "NoStepFits", 1},
		"no such path": {func(r *v1alpha1.NVMePathRemediation) {
			controller(r)
			r.Spec.Path = "tcp://192.0.2.9:4420"
		}, nil, "False/NotStaged: ResetController Refused", "NotStaged", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newHouse(t)
			if err := w.api.store.Create(w.ctx, requested(tc.request)); err != nil {
				t.Fatal(err)
			}
			if tc.node != nil {
				tc.node(w)
			}
			w.live(400) // longer than the time for which a path is to be quiet
			if got := w.outcomes(); !slices.Equal(got, []string{tc.want}) {
				t.Fatalf("%q, want %q", got, tc.want)
			}
			if s := w.status(); s.Steps[0].Reason != tc.reason || len(w.node.did) != tc.did || len(w.told) != 0 {
				t.Errorf("reason %q, did %q, told %v", s.Steps[0].Reason, w.node.did, w.told)
			}
		})
	}
}
