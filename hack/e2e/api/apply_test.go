package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	apply "github.com/braid-csi/braid/pkg/api/v1alpha1/applyconfiguration/api/v1alpha1"
)

const agent = client.FieldOwner("braid-node")

func applied(name, node string) *apply.NVMePathSetApplyConfiguration {
	return apply.NVMePathSet(name).WithSpec(apply.NVMePathSetSpec().
		WithNodeName(node).
		WithVolumeHandle("shelf1/db").
		WithPersistentVolumeName("db").
		WithClaimRef(apply.ClaimReference().WithNamespace("shop").WithName("data-db-0")).
		WithSubsystemNQN("nqn.2026-11.com.example:shelf1").
		WithNamespaceID(apply.NamespaceID().WithType("nguid").WithValue(nguid)).
		WithAddresses("tcp://192.0.2.2:4420", "tcp://192.0.2.18:4420"))
}

func appliedStatus(name string, paths int) *apply.NVMePathSetApplyConfiguration {
	count := func(n int64) *apply.CountApplyConfiguration {
		return apply.Count().WithSinceReset(n).WithLifetime(n)
	}
	status := apply.NVMePathSetStatus().
		WithSummary(fmt.Sprintf("%d/%d", paths, paths)).
		WithUsablePaths(int32(paths)).WithExpectedPaths(int32(paths)).
		WithFailovers(0).WithEngine("native").WithDevice("nvme0n1").WithDeviceState("Present").WithIOPolicy("queue-depth").
		WithRequeues(count(0)).WithFailures(count(0)).WithCountersObservedAt(noon)
	for _, c := range []string{
		v1alpha1.ConditionReady, v1alpha1.ConditionAvailable, v1alpha1.ConditionRedundant, v1alpha1.ConditionOptimized, v1alpha1.ConditionStable,
	} {
		status.WithConditions(applymetav1.Condition().WithType(c).WithStatus(metav1.ConditionTrue).
			WithReason(v1alpha1.ReasonHealthy).WithMessage("").WithLastTransitionTime(noon))
	}
	for i := range paths {
		status.WithPaths(apply.PathStatus().WithAddress(fmt.Sprintf("tcp://192.0.2.%d:4420", i+2)).
			WithExpected(true).WithUsable(true).WithController(fmt.Sprintf("nvme%d", i)).WithControllerState("live").WithANAState("optimized").
			WithCounterSource("KernelAttribute").WithCountedSince(noon).WithExact(true).WithFailovers(count(int64(i))).WithRetries(count(0)).
			WithErrors(count(0)).WithResets(count(0)).WithReconnects(count(0)))
	}
	return apply.NVMePathSet(name).WithStatus(status)
}

// appliedSet makes a path set exist until the test ends, as an agent would.
func appliedSet(t *testing.T, name, node string, paths int) *v1alpha1.NVMePathSet {
	t.Helper()
	set := &v1alpha1.NVMePathSet{ObjectMeta: metav1.ObjectMeta{Name: name}}
	t.Cleanup(func() { gone(t, set) })
	must(t, server.admin.Apply(t.Context(), applied(name, node), agent))
	must(t, server.admin.Status().Apply(t.Context(), appliedStatus(name, paths), agent))
	must(t, server.admin.Get(t.Context(), client.ObjectKeyFromObject(set), set))
	return set
}

// TestApplyRoundTrip: what an agent applied is what the API server says it has
// applied, apart for spec and status.
func TestApplyRoundTrip(t *testing.T) {
	set := appliedSet(t, "apply", "node-a", 2)
	spec, err := apply.ExtractNVMePathSet(set, string(agent))
	must(t, err)
	if diff := cmp.Diff(asJSON(t, applied("apply", "node-a")), asJSON(t, spec)); diff != "" {
		t.Errorf("spec: -applied +extracted:\n%s", diff)
	}
	status, err := apply.ExtractNVMePathSetStatus(set, string(agent))
	must(t, err)
	if diff := cmp.Diff(asJSON(t, appliedStatus("apply", 2)), asJSON(t, status)); diff != "" {
		t.Errorf("status: -applied +extracted:\n%s", diff)
	}
}

func asJSON(t *testing.T, v any) map[string]any {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	var fields map[string]any
	must(t, json.Unmarshal(b, &fields))
	return fields
}

// TestApplyTouchesItsPartOnly: neither the status of an applied object counts,
// nor the spec of an applied status.
func TestApplyTouchesItsPartOnly(t *testing.T) {
	before := appliedSet(t, "parts", "node-a", 2)

	both := appliedStatus("parts", 3).WithLabels(map[string]string{"x": "y"}).
		WithSpec(applied("parts", "node-a").Spec.WithPersistentVolumeName("other"))
	must(t, server.admin.Status().Apply(t.Context(), both, agent, client.ForceOwnership))
	var after v1alpha1.NVMePathSet
	must(t, server.admin.Get(t.Context(), client.ObjectKeyFromObject(before), &after))
	if diff := cmp.Diff(before.Spec, after.Spec); diff != "" {
		t.Errorf("applying a status changed the spec: -before +after:\n%s", diff)
	}
	if after.Generation != before.Generation || len(after.Labels) != 0 {
		t.Errorf("applying a status changed metadata: %+v", after.ObjectMeta)
	}
	if len(after.Status.Paths) != 3 {
		t.Errorf("%d paths after applying a status with 3", len(after.Status.Paths))
	}

	both = applied("parts", "node-a").WithStatus(appliedStatus("parts", 1).Status)
	must(t, server.admin.Apply(t.Context(), both, agent))
	must(t, server.admin.Get(t.Context(), client.ObjectKeyFromObject(before), &after))
	if len(after.Status.Paths) != 3 {
		t.Errorf("applying a spec changed the status: %d paths, not 3", len(after.Status.Paths))
	}
}

// TestApplyConflicts: nobody takes a field from an agent by accident.
func TestApplyConflicts(t *testing.T) {
	set := appliedSet(t, "conflict", "node-a", 2)
	other := applied("conflict", "node-a")
	other.Spec.WithPersistentVolumeName("other")
	err := server.admin.Apply(t.Context(), other, client.FieldOwner("somebody"))
	if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), `conflict with "braid-node": .spec.persistentVolumeName`) {
		t.Errorf("a second applier of the spec got: %v", err)
	}
	err = server.admin.Status().Apply(t.Context(), appliedStatus("conflict", 3), client.FieldOwner("somebody"))
	if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), ".status.paths") {
		t.Errorf("a second applier of the status got: %v", err)
	}
	var after v1alpha1.NVMePathSet
	must(t, server.admin.Get(t.Context(), client.ObjectKeyFromObject(set), &after))
	if diff := cmp.Diff(set, &after); diff != "" {
		t.Errorf("refused, but changed: -before +after:\n%s", diff)
	}
}

// TestApplyAgainWritesNothing: an agent that says what it has said before costs
// no write.
func TestApplyAgainWritesNothing(t *testing.T) {
	before := appliedSet(t, "again", "node-a", 2)
	must(t, server.admin.Apply(t.Context(), applied("again", "node-a"), agent))
	must(t, server.admin.Status().Apply(t.Context(), appliedStatus("again", 2), agent))
	var after v1alpha1.NVMePathSet
	must(t, server.admin.Get(t.Context(), client.ObjectKeyFromObject(before), &after))
	if before.ResourceVersion != after.ResourceVersion {
		t.Errorf("resource version %s became %s", before.ResourceVersion, after.ResourceVersion)
	}
}

// TestManagedFieldsStaySmall: a list of paths is one field to the API server,
// however many there are.
func TestManagedFieldsStaySmall(t *testing.T) {
	managed := func(name string, paths int) int {
		set := appliedSet(t, name, "node-a", paths)
		b, err := json.Marshal(set)
		must(t, err)
		m, err := json.Marshal(set.ManagedFields)
		must(t, err)
		t.Logf("%2d paths: %d bytes, %d of them managedFields", paths, len(b), len(m))
		return len(m)
	}
	few, many := managed("size-2", 2), managed("size-16", 16)
	if few != many {
		t.Errorf("managedFields grow with paths: %d bytes with 2, %d with 16", few, many)
	}
}
