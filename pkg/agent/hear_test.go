package agent

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
)

var duplicate = health.Finding{Status: health.Degraded, Reason: health.DuplicateHostNQN, Message: "node worker-2 presents the same host NQN"}

// judged writes what the controller says of the path set, and lets the watch
// bring it.
func (s *scene) judged(status metav1.ConditionStatus, reason string) {
	s.t.Helper()
	set := s.pathSet("orders")
	meta.SetStatusCondition(&set.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionHostNQNUnique, Status: status, Reason: reason, Message: duplicate.Message,
	})
	if err := s.api.store.Status().Update(s.t.Context(), set, client.FieldOwner("braid-controller")); err != nil {
		s.t.Fatal(err)
	}
	s.hear(set)
}

// TestHeardOfTheCluster: what the controller finds is a finding of the node's
// as long as it says so, and its condition stays its own.
func TestHeardOfTheCluster(t *testing.T) {
	s := newScene(t, newFakeAPI(t, worker("n-1")))
	s.watch(5, orders())
	s.judged(metav1.ConditionTrue, v1alpha1.ReasonHealthy)
	if len(s.told["orders"]) != 0 {
		t.Errorf("all is well, and health was told of %v", s.told)
	}
	s.judged(metav1.ConditionFalse, v1alpha1.ReasonDuplicateHostNQN)
	s.watch(5, orders())
	if diff := cmp.Diff([]health.Finding{duplicate}, s.told["orders"]); diff != "" {
		t.Errorf("told to health (-want +got):\n%s", diff)
	}
	set := s.pathSet("orders")
	if got := ready(set); got != "False/DuplicateHostNQN" {
		t.Errorf("Ready is %s", got)
	}
	if c := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ConditionHostNQNUnique); c == nil || c.Status != metav1.ConditionFalse {
		t.Errorf("the controller's condition has become %+v", c)
	}
	s.judged(metav1.ConditionTrue, v1alpha1.ReasonHealthy)
	s.watch(5, orders())
	if got := ready(s.pathSet("orders")); got != "True/Healthy" || len(s.told["orders"]) != 0 {
		t.Errorf("Ready is %s after it was over, and health was told of %v", got, s.told)
	}
	var told []string
	for _, e := range s.events() {
		if e.InvolvedObject.Kind == "NVMePathSet" {
			told = append(told, e.Type+" "+e.Reason)
		}
	}
	if diff := cmp.Diff([]string{"Warning DuplicateHostNQN", "Normal Healthy"}, told); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestHeardBeforeTheStart: an agent that starts has read what the controller
// says before it writes anything, and has nothing new to tell or to write.
func TestHeardBeforeTheStart(t *testing.T) {
	api := newFakeAPI(t, worker("n-1"))
	s := newScene(t, api)
	s.watch(5, orders())
	s.judged(metav1.ConditionFalse, v1alpha1.ReasonDuplicateHostNQN)
	s.watch(5, orders())
	before := len(s.events())

	again := newScene(t, api)
	again.clock = s.clock
	api.took()
	again.watch(5, orders())
	if diff := cmp.Diff([]string{"list"}, api.took()); diff != "" {
		t.Errorf("asked after a restart (-want +got):\n%s", diff)
	}
	if got := ready(again.pathSet("orders")); got != "False/DuplicateHostNQN" || len(again.events()) != before {
		t.Errorf("after a restart Ready is %s, with %d events more", got, len(again.events())-before)
	}
}

// TestReasonsAreTheSame: the API has its own word for what health calls so.
func TestReasonsAreTheSame(t *testing.T) {
	if v1alpha1.ReasonDuplicateHostNQN != string(health.DuplicateHostNQN) {
		t.Errorf("%s and %s", v1alpha1.ReasonDuplicateHostNQN, health.DuplicateHostNQN)
	}
}
