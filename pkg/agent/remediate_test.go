package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
)

var done = outcome{"True/Done", []string{"Rescan Done", "ResetCounters Done"}, "R1"}

func TestRemediation(t *testing.T) {
	w := newWorkshop(t, requested())
	if err := w.work(); err != nil {
		t.Fatal(err)
	}
	want := v1alpha1.NVMePathRemediationStatus{
		StartTime: stamp(noon), CompletionTime: stamp(noon), ResetID: "R1",
		Conditions: []metav1.Condition{{Type: "Succeeded", Status: "True", Reason: "Done", Message: "every action is done", LastTransitionTime: *stamp(noon)}},
		Steps: []v1alpha1.RemediationStep{
			{Action: "Rescan", Outcome: "Done", Time: stamp(noon), Message: "nvme0n1 has 67108864 bytes"},
			{Action: "ResetCounters", Outcome: "Done", Time: stamp(noon), Message: "reset R1"},
		},
		Counters: []v1alpha1.CounterChange{
			{Of: "head", Counter: "requeues", Before: 2, After: 0, Lifetime: 2},
			{Of: "tcp://192.0.2.1:4420", Counter: "errors"},
			{Of: "tcp://192.0.2.1:4420", Counter: "failovers", Before: 32, After: 1, Lifetime: 41},
		},
	}
	if diff := cmp.Diff(want, w.status(), cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"rescan orders 259:0", "reset orders by jane@example.org: port 1 repaired"}, w.node.did); diff != "" {
		t.Errorf("did (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"get fix", "status fix", "status fix"}, w.api.took()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	// It is seen again, and then after a restart.
	for range 2 {
		if err := w.work(); err != nil {
			t.Fatal(err)
		}
		w.restart()
	}
	if len(w.node.did) != 2 {
		t.Errorf("done again: %q", w.node.did)
	}
}

// TestRemediationFails is about requests that come to nothing, or not to all.
func TestRemediationFails(t *testing.T) {
	type request = v1alpha1.NVMePathRemediation
	for name, tc := range map[string]struct {
		request func(*request)
		node    func(*fakeLayer)
		want    outcome
		did     int
		message string // somewhere in the status
	}{
		"no such path set": {func(r *request) { r.Spec.PathSet = "orders-of-another" }, nil,
			outcome{"False/PathSetNotFound", []string{"Rescan Failed", "ResetCounters Skipped"}, ""}, 0, "not on the node"},
		"unstaged meanwhile": {nil, func(f *fakeLayer) {
			f.resetFails, f.leaves = fmt.Errorf("%w: volume orders", multipath.ErrNotStaged), true
		},
			outcome{"False/PathSetNotFound", []string{"Rescan Done", "ResetCounters Failed"}, ""}, 1, "volume is not staged"},
		"rescan fails": {nil, func(f *fakeLayer) { f.rescanFails = multipath.ErrConflict },
			outcome{"False/ActionFailed", []string{"Rescan Failed", "ResetCounters Skipped"}, ""}, 1, "staged differently"},
		"reset fails": {nil, func(f *fakeLayer) { f.resetFails = syscall.EIO },
			outcome{"False/ActionFailed", []string{"Rescan Done", "ResetCounters Failed"}, ""}, 1, "input/output error"},
		"reset fails halfway": {nil, func(f *fakeLayer) { f.resetFails, f.late = syscall.EIO, true },
			outcome{"False/ActionFailed", []string{"Rescan Done", "ResetCounters Failed"}, "R1"}, 2, "input/output error"},
		"the ledger refuses the words": {nil, func(f *fakeLayer) { f.resetFails = fmt.Errorf("%w: reason: \"a\\nb\"\x1b[2J", ledger.ErrInvalid) },
			outcome{"False/ActionFailed", []string{"Rescan Done", "ResetCounters Failed"}, ""}, 1, "invalid reset request"},
		"an action of tomorrow": {func(r *request) {
			r.Spec.Actions = []v1alpha1.RemediationAction{"Reboot", v1alpha1.ActionResetCounters}
		}, nil,
			outcome{"False/ActionFailed", []string{"Reboot Failed", "ResetCounters Skipped"}, ""}, 0, `does not know how to "Reboot"`},
	} {
		t.Run(name, func(t *testing.T) {
			r := requested()
			if tc.request != nil {
				tc.request(r)
			}
			w := newWorkshop(t, r)
			if tc.node != nil {
				tc.node(w.node)
			}
			if err := w.work(); err != nil {
				t.Fatal(err)
			}
			s := w.status()
			if diff := cmp.Diff(tc.want, outcomeOf(s)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			text := fmt.Sprintf("%+v", s)
			if !strings.Contains(text, tc.message) || strings.ContainsAny(text, "\n\x1b") {
				t.Errorf("status %q, want %q in it", text, tc.message)
			}
			if len(w.node.did) != tc.did || s.CompletionTime == nil {
				t.Errorf("did %q, completed %s", w.node.did, s.CompletionTime)
			}
		})
	}
}

// errDied is how a test ends a run of braid-node.
var errDied = errors.New("killed")

// TestRemediationCrash kills braid-node at each point of a remediation. Its
// next run must neither reset twice nor lose the record.
func TestRemediationCrash(t *testing.T) {
	for name, tc := range map[string]struct {
		die  func(*workshop)
		gone bool // the volume is unstaged before the next run
		did  []string
		want outcome
		runs int // of the rescan
	}{
		"before the first write": {die: func(w *workshop) { w.api.answering(dieAt(1)) }, want: done, runs: 1},
		"after the first write":  {die: func(w *workshop) { w.node.rescanFails = errDied }, want: done, runs: 2},
		"after the rescan":       {die: func(w *workshop) { w.node.resetFails = errDied }, want: done, runs: 2},
		"after the reset":        {die: func(w *workshop) { w.node.resetFails, w.node.late = errDied, true }, want: done, runs: 1},
		"before the last write":  {die: func(w *workshop) { w.api.answering(dieAt(2)) }, want: done, runs: 1},
		"after the reset, and then unstaged": {die: func(w *workshop) { w.node.resetFails, w.node.late = errDied, true }, gone: true,
			want: done, runs: 1},
		"after the rescan, and then unstaged": {die: func(w *workshop) { w.node.resetFails = errDied }, gone: true,
			want: outcome{"False/PathSetNotFound", []string{"Rescan Failed", "ResetCounters Skipped"}, ""}, runs: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkshop(t, requested())
			alive := w.ctx
			ctx, kill := context.WithCancel(w.ctx)
			w.ctx = ctx
			tc.die(w)
			if w.node.rescanFails != nil || w.node.resetFails != nil {
				kill()
			}
			if err := w.work(); err == nil {
				t.Fatal("it was killed, and says it is done")
			}
			if s := w.status(); over(&v1alpha1.NVMePathRemediation{Status: s}) {
				t.Fatalf("it was killed, and the record is %+v", s)
			}
			kill()
			w.ctx = alive
			w.node.rescanFails, w.node.resetFails = nil, nil
			w.api.answering(nil)
			if tc.gone {
				w.node.snap = &multipath.Snapshot{}
			}
			w.clock = after(60)
			w.restart()
			if err := w.work(); err != nil {
				t.Fatal(err)
			}
			s := w.status()
			if diff := cmp.Diff(tc.want, outcomeOf(s)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			resets, rescans := 0, 0
			for _, d := range w.node.did {
				if strings.HasPrefix(d, "reset") {
					resets++
				} else {
					rescans++
				}
			}
			if want := strings.Count(tc.want.ResetID, "R"); resets != want || len(s.Counters) != 3*want {
				t.Errorf("%d resets and %d counters on record, want %d and %d", resets, len(s.Counters), want, 3*want)
			}
			if rescans != tc.runs {
				t.Errorf("%d rescans, want %d", rescans, tc.runs)
			}
			if name != "before the first write" && !s.StartTime.Time.Equal(noon) {
				t.Errorf("started at %s, want the first time", s.StartTime)
			}
		})
	}
}

// dieAt lets the status's write of that number, and what follows, fail.
func dieAt(n int) func(verb, name string) error {
	return func(verb, _ string) error {
		if verb == "status" {
			n--
		}
		if n <= 0 {
			return errAway
		}
		return nil
	}
}

// TestRemediationWrittenLater: an API server that goes away costs no second
// time, also without a restart.
func TestRemediationWrittenLater(t *testing.T) {
	w := newWorkshop(t, requested())
	w.api.answering(dieAt(2))
	for range 3 {
		if err := w.work(); !errors.Is(err, errAway) {
			t.Fatalf("%v, want %v", err, errAway)
		}
	}
	w.api.answering(nil)
	w.clock = after(600)
	if err := w.work(); err != nil {
		t.Fatal(err)
	}
	s := w.status()
	if diff := cmp.Diff(done, outcomeOf(s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(w.node.did) != 2 || !s.CompletionTime.Time.Equal(noon) {
		t.Errorf("did %q, completed at %s", w.node.did, s.CompletionTime)
	}
	if len(w.executor.works) != 0 {
		t.Errorf("remembered for ever: %v", w.executor.works)
	}
}

// TestRemediationNotOurs: what is another node's, over, deleted or too early is
// left alone.
func TestRemediationNotOurs(t *testing.T) {
	for name, tc := range map[string]struct {
		request func(*v1alpha1.NVMePathRemediation)
		node    func(*fakeLayer)
	}{
		"another node's": {func(r *v1alpha1.NVMePathRemediation) { r.Spec.NodeName = "worker-2" }, nil},
		"over": {func(r *v1alpha1.NVMePathRemediation) {
			r.Status.Conditions = []metav1.Condition{{Type: "Succeeded", Status: "False", Reason: "ActionFailed"}}
		}, nil},
		"being deleted": {func(r *v1alpha1.NVMePathRemediation) {
			r.DeletionTimestamp, r.Finalizers = stamp(noon), []string{"example.org/keep"}
		}, nil},
		"nothing seen yet": {func(*v1alpha1.NVMePathRemediation) {}, func(f *fakeLayer) { f.snap = nil }},
	} {
		w := newWorkshop(t, requested(tc.request))
		if tc.node != nil {
			tc.node(w.node)
		}
		if err := w.work(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if asked := w.api.took(); len(asked) != 1 || len(w.node.did) != 0 {
			t.Errorf("%s: asked %q, did %q", name, asked, w.node.did)
		}
	}
}

// TestRemediationDeleted: nobody wants any more what was asked for.
func TestRemediationDeleted(t *testing.T) {
	w := newWorkshop(t, requested())
	w.api.answering(func(verb, name string) error {
		if verb == "status" {
			return apierrors.NewNotFound(pathSets, name)
		}
		return nil
	})
	if err := w.work(); err != nil {
		t.Errorf("error %v", err)
	}
	if len(w.node.did) != 0 {
		t.Errorf("did %q", w.node.did)
	}
}

// TestRemediationPending: a reset of which nobody knows yet whether it happened
// is no failure.
func TestRemediationPending(t *testing.T) {
	w := newWorkshop(t, requested())
	w.node.resetFails = fmt.Errorf("orders: %w", ledger.ErrResetPending)
	if err := w.work(); !errors.Is(err, ledger.ErrResetPending) {
		t.Fatalf("%v, want it to be tried again", err)
	}
	if got := outcomeOf(w.status()); got.Succeeded != "Unknown/Running" {
		t.Errorf("meanwhile %+v", got)
	}
	w.node.resetFails = nil
	if err := w.work(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(done, outcomeOf(w.status())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
