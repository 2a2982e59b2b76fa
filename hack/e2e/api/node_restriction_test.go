package api

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	apply "github.com/braid-csi/braid/pkg/api/v1alpha1/applyconfiguration/api/v1alpha1"
)

// agentAccount is the ServiceAccount that braid-node's pods have: the policy
// must mean that one, whatever it says.
func agentAccount(t *testing.T) (namespace, name string) {
	t.Helper()
	set := ofKind(t, "DaemonSet", 1)[0]
	name, _, err := unstructured.NestedString(set.Object, "spec", "template", "spec", "serviceAccountName")
	must(t, err)
	if name == "" {
		t.Fatalf("DaemonSet %s has no ServiceAccount of its own", set.GetName())
	}
	return set.GetNamespace(), name
}

// act is something that an agent may try.
type act struct {
	name string
	// own is whether an agent may do so about its own node, by its role and by
	// the policy.
	own bool
	// byRole: it may not, but by its role it might.
	byRole bool
	// says is what the policy says that it is, in a refusal.
	says string
	do   func(ctx context.Context, c client.Client, node string) error
}

// The objects of a node that are there, and the one that is not.
func setOf(node string) string         { return "set-" + node }
func newSetOf(node string) string      { return "new-" + node }
func remediationOf(node string) string { return "remediation-" + node }
func wantedOf(node string) string      { return "wanted-" + node }

// agentUser is by which name the API server knows every agent.
const agentUser = "system:serviceaccount:braid-system:braid-node"

// wantedByPolicy is a remediation that an agent asks for by itself.
func wantedByPolicy(name, node string) *v1alpha1.NVMePathRemediation {
	r := newRemediation(name, node, agentUser)
	r.Spec.PolicyName = "gold"
	return r
}

// asked has a node's agent ask for a remediation.
func asked(t *testing.T, node *corev1.Node, r *v1alpha1.NVMePathRemediation) {
	t.Helper()
	namespace, account := agentAccount(t)
	must(t, withToken(t, namespace, account, node).Create(t.Context(), r))
	t.Cleanup(func() { gone(t, r) })
}

// acts leave everything as it was: a dry run passes admission like any other.
var acts = []act{
	{"create a path set", true, false, "create nvmepathsets", func(ctx context.Context, c client.Client, node string) error {
		return c.Create(ctx, newPathSet(newSetOf(node), node), client.DryRunAll)
	}},
	{"apply a new path set", true, false, "create nvmepathsets", func(ctx context.Context, c client.Client, node string) error {
		return c.Apply(ctx, applied(newSetOf(node), node), agent, client.DryRunAll)
	}},
	{"apply a path set", true, false, "update nvmepathsets", func(ctx context.Context, c client.Client, node string) error {
		set := applied(setOf(node), node)
		set.Spec.WithPersistentVolumeName("other")
		return c.Apply(ctx, set, agent, client.ForceOwnership, client.DryRunAll)
	}},
	{"apply the status of a path set", true, false, "update nvmepathsets", func(ctx context.Context, c client.Client, node string) error {
		return c.Status().Apply(ctx, appliedStatus(setOf(node), 1), agent, client.DryRunAll)
	}},
	{"delete a path set", true, false, "delete nvmepathsets", func(ctx context.Context, c client.Client, node string) error {
		return c.Delete(ctx, newPathSet(setOf(node), node), client.DryRunAll)
	}},
	{"delete path sets", false, false, "delete nvmepathsets", func(ctx context.Context, c client.Client, node string) error {
		return c.DeleteAllOf(ctx, &v1alpha1.NVMePathSet{}, client.MatchingFields{"spec.nodeName": node}, client.DryRunAll)
	}},
	{"apply the status of a remediation", true, false, "update nvmepathremediations", func(ctx context.Context, c client.Client, node string) error {
		status := apply.NVMePathRemediationStatus().WithConditions(applymetav1.Condition().WithType(v1alpha1.ConditionSucceeded).
			WithStatus(metav1.ConditionUnknown).WithReason(v1alpha1.ReasonRunning).WithMessage("").WithLastTransitionTime(noon))
		return c.Status().Apply(ctx, apply.NVMePathRemediation(remediationOf(node)).WithStatus(status), agent, client.DryRunAll)
	}},
	{"ask for what a policy wants", true, false, "create nvmepathremediations", func(ctx context.Context, c client.Client, node string) error {
		return c.Create(ctx, wantedByPolicy("new-"+node, node), client.DryRunAll)
	}},
	{"delete what a policy wanted", true, false, "delete nvmepathremediations", func(ctx context.Context, c client.Client, node string) error {
		return c.Delete(ctx, wantedByPolicy(wantedOf(node), node), client.DryRunAll)
	}},
	{"create a remediation", false, true, "create nvmepathremediations", func(ctx context.Context, c client.Client, node string) error {
		return c.Create(ctx, newRemediation("new-"+node, node, agentUser), client.DryRunAll)
	}},
	{"change a remediation", false, false, "update nvmepathremediations", func(ctx context.Context, c client.Client, node string) error {
		label := client.RawPatch("application/merge-patch+json", []byte(`{"metadata": {"labels": {"x": "y"}}}`))
		return c.Patch(ctx, newRemediation(remediationOf(node), node, ""), label, client.DryRunAll)
	}},
	{"delete a remediation", false, true, "delete nvmepathremediations", func(ctx context.Context, c client.Client, node string) error {
		return c.Delete(ctx, newRemediation(remediationOf(node), node, ""), client.DryRunAll)
	}},
}

// TestNodeRestriction lets agents try everything about their own and about
// another node, with tokens that are bound in every way there is: first with
// the chart's role, then with all rights, where the policy is alone.
func TestNodeRestriction(t *testing.T) {
	enforced(t)
	namespace, account := agentAccount(t)
	nodes := addNodes(t, "node-a", "node-b")
	for _, n := range nodes {
		appliedSet(t, setOf(n.Name), n.Name, 2)
		created(t, newRemediation(remediationOf(n.Name), n.Name, "admin"))
		asked(t, n, wantedByPolicy(wantedOf(n.Name), n.Name))
	}
	onNode := podOf(t, namespace, account, "agent-a", "node-a")
	onNone := podOf(t, namespace, account, "agent-nowhere", "")
	of := map[string]client.Client{
		"token bound to its node": withToken(t, namespace, account, nodes[0]),
		"token bound to its pod":  withToken(t, namespace, account, onNode),
	}
	unbound := map[string]client.Client{
		"token bound to nothing":             withToken(t, namespace, account, nil),
		"token bound to a pod on no node":    withToken(t, namespace, account, onNone),
		"somebody who impersonates an agent": impersonated(t, "system:serviceaccount:"+namespace+":"+account),
	}

	for how, c := range of {
		for _, a := range acts {
			if err := a.do(t.Context(), c, "node-a"); a.own && err != nil {
				t.Errorf("%s: may not %s: %v", how, a.name, err)
			} else if !a.own && (!apierrors.IsForbidden(err) || strings.Contains(err.Error(), "Policy") != a.byRole) {
				t.Errorf("%s: %s: %v; refused by its role: want %t", how, a.name, err, !a.byRole)
			}
		}
	}
	grant(t, everything(t), serviceAccount(namespace, account))
	mayNow(t, of["token bound to its node"], "deletecollection", "nvmepathsets")
	for how, c := range of {
		for _, a := range acts {
			what := how + ", " + a.name
			deniedBy(t, what, a.do(t.Context(), c, "node-b"), nodeRestriction, "the agent of node node-a may not "+a.says+" of node node-b")
			if strings.HasSuffix(a.says, "nvmepathremediations") && !a.own {
				deniedBy(t, what, a.do(t.Context(), c, "node-a"), nodeRestriction, "an agent may not "+a.says+" that people ask for, only their status")
			}
		}
	}
	for how, c := range unbound {
		for _, a := range acts {
			deniedBy(t, how+", "+a.name, a.do(t.Context(), c, "node-a"), nodeRestriction,
				"an agent's token must be bound to its node or to its pod, and this one is not")
		}
	}
}

// TestHostNQNUniqueIsTheControllers: the condition by which a node learns that
// another one presents its host NQN is applied by the controller, with the
// chart's role, beside what the agent applies; no agent may write it, and none
// takes it away by applying its own.
func TestHostNQNUniqueIsTheControllers(t *testing.T) {
	enforced(t)
	namespace, account := agentAccount(t)
	node := addNodes(t, "node-a")[0]
	set := appliedSet(t, setOf(node.Name), node.Name, 2)
	unique := func(status metav1.ConditionStatus) *apply.NVMePathSetApplyConfiguration {
		s := apply.NVMePathSetStatus()
		if status != "" {
			s.WithConditions(applymetav1.Condition().WithType(v1alpha1.ConditionHostNQNUnique).WithStatus(status).
				WithReason(v1alpha1.ReasonDuplicateHostNQN).WithMessage("").WithLastTransitionTime(noon))
		}
		return apply.NVMePathSet(set.Name).WithUID(set.UID).WithStatus(s)
	}
	theController := withToken(t, namespace, "braid-controller", nil)
	theAgent := withToken(t, namespace, account, node)
	const manager = client.FieldOwner("braid-controller")
	is := func(when string, want metav1.ConditionStatus) {
		t.Helper()
		must(t, server.admin.Get(t.Context(), client.ObjectKeyFromObject(set), set))
		var got metav1.ConditionStatus
		if c := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ConditionHostNQNUnique); c != nil {
			got = c.Status
		}
		if got != want || len(set.Status.Paths) != 2 {
			t.Errorf("%s: the condition is %q, want %q; %d paths", when, got, want, len(set.Status.Paths))
		}
	}
	refused := func(what string, ac *apply.NVMePathSetApplyConfiguration) {
		t.Helper()
		err := theAgent.Status().Apply(t.Context(), ac, agent, client.ForceOwnership)
		deniedBy(t, what, err, nodeRestriction, "an agent may not write the condition HostNQNUnique, which is the controller's")
	}

	refused("an agent that makes the condition", unique(metav1.ConditionTrue))
	must(t, theController.Status().Apply(t.Context(), unique(metav1.ConditionFalse), manager, client.ForceOwnership))
	is("after the controller's", metav1.ConditionFalse)
	must(t, theAgent.Status().Apply(t.Context(), appliedStatus(set.Name, 2), agent, client.ForceOwnership))
	is("after the agent's own", metav1.ConditionFalse)
	refused("an agent that changes the condition", unique(metav1.ConditionTrue))
	must(t, theController.Status().Apply(t.Context(), unique(""), manager, client.ForceOwnership))
	is("after the controller has taken it back", "")

	err := theController.Apply(t.Context(), applied(set.Name, node.Name).WithLabels(map[string]string{"x": "y"}), manager, client.ForceOwnership)
	if !apierrors.IsForbidden(err) {
		t.Errorf("the controller may write more of a path set than its status: %v", err)
	}
}

// TestPathSetStaysWithItsNode: not even to get rid of it may an agent hand a
// path set over.
func TestPathSetStaysWithItsNode(t *testing.T) {
	namespace, account := agentAccount(t)
	nodes := addNodes(t, "node-a", "node-b")
	appliedSet(t, setOf("node-a"), "node-a", 2)
	for _, n := range nodes {
		err := withToken(t, namespace, account, n).Apply(t.Context(), applied(setOf("node-a"), "node-b"), agent, client.ForceOwnership)
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.nodeName: Invalid value: cannot change") {
			t.Errorf("the agent of %s moved a path set to node-b: %v", n.Name, err)
		}
	}
}

// TestNodeRestrictionIsForAgents: what others may write is for their roles to
// say, as an administrator must be able to delete what a dead node has left.
func TestNodeRestrictionIsForAgents(t *testing.T) {
	namespace, _ := agentAccount(t)
	created(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "other"}})
	other := withToken(t, namespace, "other", nil)
	appliedSet(t, setOf("node-a"), "node-a", 2)
	created(t, newRemediation(remediationOf("node-a"), "node-a", "admin"))
	asked(t, addNodes(t, "node-a")[0], wantedByPolicy(wantedOf("node-a"), "node-a"))
	for _, a := range acts {
		if err := a.do(t.Context(), other, "node-a"); !apierrors.IsForbidden(err) || strings.Contains(err.Error(), "Policy") {
			t.Errorf("without a role, somebody may %s: %v", a.name, err)
		}
	}
	grant(t, everything(t), serviceAccount(namespace, "other"))
	mayNow(t, other, "deletecollection", "nvmepathsets")
	for _, a := range acts {
		if a.says == "create nvmepathremediations" {
			continue // in an agent's name, which the other policy refuses
		}
		if err := a.do(t.Context(), other, "node-a"); err != nil {
			t.Errorf("with all rights, somebody may not %s: %v", a.name, err)
		}
	}
}

// podOf makes a pod, on a node or on none.
func podOf(t *testing.T, namespace, account, name, node string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PodSpec{
			ServiceAccountName: account, NodeName: node, SchedulerName: "nobody",
			Containers: []corev1.Container{{Name: "agent", Image: "agent"}},
		},
	}
	created(t, pod)
	return pod
}
