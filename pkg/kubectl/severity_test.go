package kubectl

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// ranked are path sets in the order in which they shall be shown. Their names
// would have them the other way round.
func ranked() []v1alpha1.NVMePathSet {
	down := newSet("shop", "z-down", "node-a")
	condition(&down, v1alpha1.ConditionReady, metav1.ConditionFalse, "NoUsablePath", "no path")
	condition(&down, v1alpha1.ConditionAvailable, metav1.ConditionFalse, "NoUsablePath", "no path")
	condition(&down, v1alpha1.ConditionRedundant, metav1.ConditionFalse, "NoUsablePath", "no path")
	down.Status.Summary, down.Status.UsablePaths = "0/2", 0

	three := cut(newSet("shop", "y-two-missing", "node-a"), 1)
	three.Status.Summary, three.Status.ExpectedPaths = "1/3", 3

	flapping := newSet("shop", "v-flapping", "node-a")
	condition(&flapping, v1alpha1.ConditionReady, metav1.ConditionFalse, "AReasonOfALaterVersion", "comes and goes")

	staging := newSet("shop", "u-staging", "node-a")
	condition(&staging, v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonStaging, "")
	staging.Status.Summary, staging.Status.UsablePaths, staging.Status.Failovers = "1/2", 1, nil

	silent := newSet("", "t-silent", "node-a")
	silent.Status = v1alpha1.NVMePathSetStatus{}

	once := newSet("shop", "s-once", "node-a")
	many := int64(13)
	once.Status.Failovers = &many

	return []v1alpha1.NVMePathSet{
		down, three, cut(newSet("shop", "x-more", "node-a"), 20), cut(newSet("shop", "w-less", "node-a"), 10), flapping, staging, silent, once,
		newSet("a", "logs", "node-a"), newSet("a", "logs", "node-b"), newSet("shop", "logs", "node-a"),
	}
}

func TestWorstFirst(t *testing.T) {
	want := names(ranked())
	for seed := range uint64(20) {
		got := ranked()
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		worstFirst(got)
		if diff := cmp.Diff(want, names(got)); diff != "" {
			t.Fatalf("seed %d: -want +got\n%s", seed, diff)
		}
	}
}

func names(sets []v1alpha1.NVMePathSet) []string {
	var all []string
	for i := range sets {
		all = append(all, volume(&sets[i])+" on "+sets[i].Spec.NodeName)
	}
	return all
}

func TestStatusPage(t *testing.T) {
	goldenPage(t, "status.txt", func(p *page) { p.status(ranked()) })
	goldenPage(t, "status-none.txt", func(p *page) { p.status(nil) })
}
