package attach

import (
	"context"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"
)

// One replica works. When it is told to end it hands over; when it dies, the
// other one takes over by itself.
func TestLeader(t *testing.T) {
	addNodes(t, "led")
	create(t, volume("led-0", 60), volume("led-1", 61), volume("led-2", 62))
	first, second := leaderFirst(t)
	create(t, attachment("led-0", "led"))
	await(t, "the leader to attach", attachmentName("led-0", "led"), attached)
	if second.leads() {
		t.Error("both lead")
	}

	holder := leaseHolder(t)
	if err := first.stop(); err != nil {
		t.Errorf("the leader did not end well: %v", err)
	}
	if now := leaseHolder(t); now == holder {
		t.Errorf("%s has ended, and still has the lease", now)
	}
	create(t, attachment("led-1", "led"))
	await(t, "the other replica to attach", attachmentName("led-1", "led"), attached)
	if !second.leads() {
		t.Error("the other replica attaches, and does not say that it leads")
	}

	third, err := startReplica(first.number)
	must(t, err)
	bed.replicas[first.number] = third
	second.kill()
	create(t, attachment("led-2", "led"))
	await(t, "the third replica to attach", attachmentName("led-2", "led"), attached)
	fourth, err := startReplica(second.number)
	must(t, err)
	bed.replicas[second.number] = fourth
	// What the first one attached is kept by all of them.
	va, err := look(t.Context(), attachmentName("led-0", "led"))
	must(t, err)
	if !attached(va) {
		t.Errorf("the first volume is not attached any more: %+v", va)
	}
}

// leaderFirst are the replicas, of which the first leads.
func leaderFirst(t *testing.T) (leader, other *replica) {
	t.Helper()
	eventually(t, "a leader", func(context.Context) (bool, error) {
		for i, r := range bed.replicas {
			if r.leads() {
				leader, other = r, bed.replicas[1-i]
			}
		}
		return leader != nil, nil
	})
	return leader, other
}

func leaseHolder(t *testing.T) string {
	t.Helper()
	lease := new(coordinationv1.Lease)
	must(t, bed.admin.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: "braid-controller"}, lease))
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}
