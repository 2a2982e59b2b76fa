package agent

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
)

var (
	ordersName = Name(testNode, "orders")
	logsName   = Name(testNode, "logs")
)

// logs is another volume, of which nobody said whose it is.
func logs() multipath.PathSet {
	set := orders()
	set.VolumeID, set.Origin.ClaimName, set.Origin.ClaimUID = "logs", "", ""
	return set
}

// wantAsked compares what the API was asked since the last time.
func (s *scene) wantAsked(when string, want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.api.took()); diff != "" {
		s.t.Errorf("%s, the API was asked (-want +got):\n%s", when, diff)
	}
}

// TestLife is the life of a path set in the API: made, written when it
// changes, and deleted.
func TestLife(t *testing.T) {
	s := newScene(t, newFakeAPI(t, worker("n-1")))
	s.look()
	s.wantAsked("at the start", "list")

	s.look(orders())
	s.run(0.1)
	s.wantAsked("once it is staged", "get "+testNode, "apply "+ordersName, "status "+ordersName)
	got := s.pathSet("orders")
	if o := got.OwnerReferences; len(o) != 1 || o[0].Kind != "Node" || o[0].Name != testNode || o[0].UID != "n-1" {
		t.Errorf("owners %+v, want the node", o)
	}
	if got.Spec.NodeName != testNode || ready(got) != "True/Healthy" || got.Status.Summary != "2/2" {
		t.Errorf("it says %+v", got)
	}

	s.watch(60, orders())
	s.wantAsked("while nothing happens")

	s.found["orders"] = []health.Finding{lost}
	s.look(orders(cut(32)))
	s.run(60.1)
	s.wantAsked("when a path is cut", "status "+ordersName, "create PathRedundancyLost on NVMePathSet", "create PathRedundancyLost on PersistentVolumeClaim")
	if got := s.pathSet("orders"); ready(got) != "False/PathRedundancyLost" || *got.Status.Failovers != 32 || got.Status.Paths[0].Usable {
		t.Errorf("it says %+v", got.Status)
	}

	s.found["orders"] = nil
	s.look(orders(reset("R1", after(60))))
	s.run(60.2)
	s.wantAsked("when it was repaired and reset", "status "+ordersName,
		"create CountersReset on NVMePathSet", "create CountersReset on PersistentVolumeClaim",
		"create Healthy on NVMePathSet", "create Healthy on PersistentVolumeClaim")

	s.look()
	s.run(60.3)
	s.wantAsked("once it is unstaged", "delete "+ordersName)
	if got := s.pathSet("orders"); got != nil {
		t.Errorf("still there: %+v", got)
	}
	s.watch(60)
	s.wantAsked("afterwards")
}

// TestCountersAlone: reconnects that grow for an hour cost a few writes, and
// the last one has what there is.
func TestCountersAlone(t *testing.T) {
	s := newScene(t, newFakeAPI(t, worker("n-1")))
	s.found["orders"] = []health.Finding{lost}
	n := uint64(0)
	for second := 0.0; second < 3600; second += 0.5 {
		s.run(second)
		n++
		s.look(orders(cut(32), reconnects(n)))
	}
	writes := 0
	for _, a := range s.api.took() {
		if a == "status "+ordersName {
			writes++
		}
	}
	if writes < 12 || writes > 18 {
		t.Errorf("%d writes in an hour, want the first few and one in five minutes", writes)
	}
	if got := s.pathSet("orders").Status.Paths[0].Reconnects.Lifetime; got < int64(n)-2*300 {
		t.Errorf("the API has %d reconnects, there are %d", got, n)
	}
}

// TestRestart: what the API has goes on; nothing is written that is there
// already, and what belongs to no volume goes.
func TestRestart(t *testing.T) {
	api := newFakeAPI(t, worker("n-1"))
	foreign := &v1alpha1.NVMePathSet{ObjectMeta: metav1.ObjectMeta{Name: "another-nodes"}, Spec: v1alpha1.NVMePathSetSpec{NodeName: "worker-2", VolumeHandle: "orders"}}
	if err := api.store.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	first := newScene(t, api)
	first.found["orders"] = []health.Finding{lost}
	first.look(orders(cut(32)), logs())
	first.run(5)
	was := first.pathSet("orders").Status.Conditions
	api.took()

	second := newScene(t, api)
	second.found["orders"] = []health.Finding{lost}
	second.clock = after(100)
	second.look(orders(cut(32)))
	second.run(130)
	second.wantAsked("at the second start", "list", "delete "+logsName)
	second.found["orders"] = nil
	second.look(orders(cut(32), func(set *multipath.PathSet) { set.Paths[0].State = set.Paths[1].State }))
	second.run(131)
	for i, c := range second.pathSet("orders").Status.Conditions {
		want := after(130)
		if was[i].Status == c.Status {
			want = was[i].LastTransitionTime.Time
		}
		if !c.LastTransitionTime.Time.Equal(want) {
			t.Errorf("%s=%s since %s, want %s", c.Type, c.Status, c.LastTransitionTime, want)
		}
	}
	if err := api.store.Get(t.Context(), client.ObjectKeyFromObject(foreign), foreign); err != nil {
		t.Errorf("another node's path set: %v", err)
	}
}

// TestOrphanInUse: the record of a volume may be lost while a pod uses it. Its
// path set is what keeps the cluster from giving the volume away.
func TestOrphanInUse(t *testing.T) {
	api := newFakeAPI(t, worker("n-1"))
	first := newScene(t, api)
	first.look(orders())
	first.run(1)
	api.took()

	s := newScene(t, api)
	s.used = true
	s.look()
	s.watch(300)
	s.wantAsked("while it is in use", "list")
	if n := s.errors(); n != 1 {
		t.Errorf("%d errors were logged, want one:\n%s", n, s.log)
	}
	s.used = false
	s.watch(31)
	s.wantAsked("once it is not", "delete "+ordersName)
}

// TestLost: a path set that somebody deletes is made anew at once, and belongs
// to whichever Node there is now.
func TestLost(t *testing.T) {
	s := newScene(t, newFakeAPI(t, worker("n-1")))
	s.look(orders())
	s.run(1)
	for _, how := range []string{"seen by the watch", "found by a write"} {
		if err := errors.Join(
			s.api.store.Delete(t.Context(), s.pathSet("orders")),
			s.api.store.Delete(t.Context(), worker("")), s.api.store.Create(t.Context(), worker("n-2")),
		); err != nil {
			t.Fatal(err)
		}
		if how == "seen by the watch" {
			s.lost(ordersName)
		} else {
			s.found["orders"] = []health.Finding{lost}
			s.look(orders(cut(1)))
		}
		s.run(s.clock.Sub(noon).Seconds() + 0.1)
		got := s.pathSet("orders")
		if got == nil || got.OwnerReferences[0].UID != "n-2" || got.Status.Summary == "" {
			t.Errorf("%s: the API has %+v", how, got)
		}
	}
	s.look()
	s.run(5)
	s.lost(ordersName) // it was us
	s.watch(5)
	if got := s.pathSet("orders"); got != nil {
		t.Errorf("unstaged, and made anew: %+v", got)
	}
}

// TestNoNode: without a Node to belong to, a path set would be deleted as soon
// as it is there.
func TestNoNode(t *testing.T) {
	s := newScene(t, newFakeAPI(t))
	s.watch(60, orders())
	for _, a := range s.api.took() {
		if a == "apply "+ordersName {
			t.Fatal("a path set was made without a node")
		}
	}
	if n := s.errors(); n != 1 {
		t.Errorf("%d errors were logged, want one:\n%s", n, s.log)
	}
	if err := s.api.store.Create(t.Context(), worker("n-1")); err != nil {
		t.Fatal(err)
	}
	s.watch(16, orders())
	if s.pathSet("orders") == nil {
		t.Error("nothing is reported once the node is there")
	}
}

// TestManyAtOnce: when a port goes that very many volumes share, their writes
// are spread; a few are not.
func TestManyAtOnce(t *testing.T) {
	for _, tc := range []struct {
		volumes int
		within  float64 // seconds
	}{{atOnce, 0}, {120, 3}} {
		t.Run(fmt.Sprint(tc.volumes), func(t *testing.T) {
			s := newScene(t, newFakeAPI(t, worker("n-1")))
			var up, down []multipath.PathSet
			for i := range tc.volumes {
				for list, set := range map[*[]multipath.PathSet]multipath.PathSet{&up: orders(), &down: orders(cut(1))} {
					set.VolumeID = fmt.Sprint("volume-", i)
					*list = append(*list, set)
				}
			}
			s.look(up...)
			s.run(1)
			s.api.took()
			s.look(down...)
			for second := 1.0; second <= 1+tc.within; second++ {
				s.run(second)
				if n := len(s.api.took()); tc.within > 0 && n > 2*atOnce {
					t.Errorf("%d writes in one second", n)
				}
				s.look(down...)
			}
			for i := range tc.volumes {
				if got := s.pathSet(fmt.Sprint("volume-", i)); got.Status.Summary != "1/2" {
					t.Fatalf("volume %d says %s after %g s", i, got.Status.Summary, tc.within)
				}
			}
		})
	}
}
