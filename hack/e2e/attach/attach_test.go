package attach

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A volume goes from one node to another, as Kubernetes moves it: not before
// the first node has let go of it.
func TestVolumeMoves(t *testing.T) {
	t.Parallel()
	addNodes(t, "from", "to")
	c := claim("moves")
	create(t, volume("moves", 1), c, pod("first", "moves", "from"))

	first := await(t, "the volume to be attached", attachmentName("moves", "from"), attached)
	want := map[string]string{
		"persistentVolumeName": "moves", "claimNamespace": "default", "claimName": "moves", "claimUID": string(c.UID),
	}
	if diff := cmp.Diff(want, first.Status.AttachmentMetadata); diff != "" {
		t.Errorf("attachmentMetadata (-want +got):\n%s", diff)
	}

	// The node has it mounted when its pod is moved.
	staged := pathSet("moves", "from", 1)
	create(t, staged)
	remove(t, pod("first", "moves", "from"))
	create(t, pod("second", "moves", "to"))
	va := await(t, "the detach to wait", first.Name, held)
	const waits = "node from may have the volume mounted: waiting until NVMePathSet moves-on-from is gone"
	if !va.Status.Attached || !strings.Contains(va.Status.DetachError.Message, waits) {
		t.Errorf("attached %t, detachError %q", va.Status.Attached, va.Status.DetachError.Message)
	}
	wantEvent(t, c, "DetachWaiting", waits)
	if va, err := look(t.Context(), attachmentName("moves", "to")); err != nil || attached(va) {
		t.Errorf("attached to the second node while the first may write: %v, %v", va, err)
	}

	remove(t, staged)
	await(t, "the volume to be detached", first.Name, gone)
	await(t, "the volume to be attached to the second node", attachmentName("moves", "to"), attached)
}

// A node that cannot unmount anything gives its volumes up when somebody says
// that it is off.
func TestNodeIsOff(t *testing.T) {
	t.Parallel()
	for number, tc := range []struct {
		name string
		off  func(*testing.T, *corev1.Node)
		why  string
	}{
		{"tainted", func(t *testing.T, n *corev1.Node) {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: "node.kubernetes.io/out-of-service", Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute})
			must(t, bed.admin.Update(t.Context(), n))
		}, "node tainted has the taint node.kubernetes.io/out-of-service"},
		{"deleted", func(t *testing.T, n *corev1.Node) { remove(t, n) }, "node deleted was deleted"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			addNodes(t, tc.name)
			pv := volume("off-"+tc.name, 10+number)
			create(t, pv, attachment(pv.Name, tc.name))
			va := await(t, "the volume to be attached", attachmentName(pv.Name, tc.name), attached)
			create(t, pathSet(pv.Name, tc.name, 10+number))
			remove(t, va)
			await(t, "the detach to wait", va.Name, held)

			node := new(corev1.Node)
			eventually(t, "the node to be off", func(ctx context.Context) (bool, error) {
				return true, bed.admin.Get(ctx, types.NamespacedName{Name: tc.name}, node)
			})
			tc.off(t, node)
			await(t, "the volume to be detached", va.Name, gone)
			// It has no claim that exists: the event names the one it is for.
			wantEvent(t, claim(pv.Name), "DetachForced", tc.why)
		})
	}
}

// Kubernetes takes two volumes of one namespace for different ones.
func TestOneNamespaceTwoVolumes(t *testing.T) {
	t.Parallel()
	addNodes(t, "left", "right")
	const pairs = 20
	for i := range pairs {
		create(t, volume(fmt.Sprint("left-", i), 100+i), volume(fmt.Sprint("right-", i), 100+i))
	}
	// Asked for at the same moment, one of each pair is attached.
	for i := range pairs {
		create(t, attachment(fmt.Sprint("left-", i), "left"), attachment(fmt.Sprint("right-", i), "right"))
	}
	for i := range pairs {
		left, right := fmt.Sprint("left-", i), fmt.Sprint("right-", i)
		decided := func(va *storagev1.VolumeAttachment) bool { return attached(va) || refused(va) }
		both := []*storagev1.VolumeAttachment{
			await(t, left, attachmentName(left, "left"), decided),
			await(t, right, attachmentName(right, "right"), decided),
		}
		won := slices.IndexFunc(both, attached)
		if won < 0 || attached(both[1-won]) {
			t.Fatalf("pair %d: attached %t and %t", i, attached(both[0]), attached(both[1]))
		}
		// The one that was refused has its turn when the other one is done.
		remove(t, both[won])
		va := await(t, "the other volume to be attached", both[1-won].Name, attached)
		if refused(va) {
			t.Errorf("it is still refused: %s", va.Status.AttachError.Message)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	addNodes(t, "asks")
	create(t, attachment("late", "asks"))
	va := await(t, "the attachment to be refused", attachmentName("late", "asks"), refused)
	if want := "PersistentVolume late does not exist"; va.Status.AttachError.Message != want {
		t.Errorf("attachError %q, want %q", va.Status.AttachError.Message, want)
	}
	create(t, volume("late", 50))
	await(t, "the volume to be attached once it is there", va.Name, attached)
}

// wantEvent waits for an event about the claim.
func wantEvent(t *testing.T, about *corev1.PersistentVolumeClaim, reason, note string) {
	t.Helper()
	var events eventsv1.EventList
	eventually(t, "event "+reason+" on claim "+about.Name, func(ctx context.Context) (bool, error) {
		err := bed.admin.List(ctx, &events, client.InNamespace(about.Namespace))
		return slices.ContainsFunc(events.Items, func(e eventsv1.Event) bool {
			return e.Regarding.Kind == "PersistentVolumeClaim" && e.Regarding.Name == about.Name &&
				e.Reason == reason && e.Type == corev1.EventTypeWarning && strings.Contains(e.Note, note)
		}), err
	})
}
