package controller

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// detaching is a rig in which volume a was attached to node n1, and shall be
// detached.
func detaching(t *testing.T, objects ...client.Object) (*rig, string) {
	t.Helper()
	r := newRig(t, append(objects, volume("a", uuid), attaching("a", "n1"))...)
	name := nameOf("a", "n1")
	r.reconcile(name)
	r.delete(r.attachment(name))
	return r, name
}

func TestDetachUnstaged(t *testing.T) {
	r, name := detaching(t, node("n1"), node("n2"), staged("b", "n1"), staged("a", "n2"))
	r.reconcile(name)
	if va := r.attachment(name); va != nil {
		t.Errorf("it is still there: %+v", va.Status)
	}
	if len(r.events) > 0 {
		t.Errorf("events: %q", r.events)
	}
}

func TestDetachWaits(t *testing.T) {
	r, name := detaching(t, node("n1"), staged("a", "n1"))
	wrote := r.writes
	// Most volumes are unstaged in a moment: nobody is told.
	if result := r.reconcile(name); result.RequeueAfter <= 0 || result.RequeueAfter > patience || r.writes != wrote {
		t.Errorf("at once: looked at again after %s, %d writes", result.RequeueAfter, r.writes-wrote)
	}
	r.later = patience + time.Second
	if result := r.reconcile(name); result.RequeueAfter != 0 {
		t.Errorf("looked at again after %s, though there is no timeout", result.RequeueAfter)
	}
	va := r.attachment(name)
	const want = "node n1 may have the volume mounted: waiting until NVMePathSet a-on-n1 is gone"
	if !va.Status.Attached || va.Status.DetachError == nil || !strings.Contains(va.Status.DetachError.Message, want) {
		t.Fatalf("attached %t, detachError %v", va.Status.Attached, va.Status.DetachError)
	}
	if len(r.events) != 1 || !strings.HasPrefix(r.events[0], "DetachWaiting Volume a: "+want) ||
		!strings.HasSuffix(r.events[0], "on *v1.PersistentVolumeClaim shop/a-claim") {
		t.Errorf("events: %q", r.events)
	}
	wrote, r.later = r.writes, 1000*time.Hour
	r.reconcile(name)
	if r.writes != wrote || len(r.events) != 1 {
		t.Errorf("told again: %d writes, events %q", r.writes-wrote, r.events)
	}

	ps := staged("a", "n1")
	r.delete(ps)
	if got := r.leaving(t.Context(), ps); len(got) != 1 || got[0].Name != name {
		t.Errorf("the path set wakes %v", got)
	}
	r.reconcile(name)
	if r.attachment(name) != nil || len(r.events) != 1 {
		t.Errorf("not released, or not quietly: %q", r.events)
	}
}

// What the cache has does not matter: it may lag.
func TestDetachIgnoresTheCache(t *testing.T) {
	r, name := detaching(t, node("n1", "node.kubernetes.io/out-of-service"))
	r.Live = r.cluster(node("n1"), staged("a", "n1"))
	r.later = time.Hour
	r.reconcile(name)
	if va := r.attachment(name); va == nil || !va.Status.Attached {
		t.Fatal("a mounted volume was released")
	}
	// Nor does a path set that is in the cache only.
	r, name = detaching(t, node("n1"), staged("a", "n1"))
	r.Live = r.cluster(node("n1"))
	r.reconcile(name)
	if r.attachment(name) != nil {
		t.Error("it waits for a path set that is gone")
	}
}

func TestDetachByForce(t *testing.T) {
	for _, tc := range []struct {
		name    string
		node    *corev1.Node
		timeout time.Duration
		want    string
	}{
		{"out of service", node("n1", "node.kubernetes.io/out-of-service"), 0, "node n1 has the taint"},
		{"deleted", node("n2"), 0, "node n1 was deleted"},
		{"timeout", node("n1"), time.Minute, "-release-timeout 1m0s is over"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, name := detaching(t, tc.node, staged("a", "n1"))
			r.ReleaseTimeout, r.later = tc.timeout, tc.timeout
			r.reconcile(name)
			if va := r.attachment(name); va != nil {
				t.Fatalf("not released: %v", va.Status.DetachError)
			}
			if len(r.events) != 1 || !strings.HasPrefix(r.events[0], "DetachForced Volume a: ") || !strings.Contains(r.events[0], tc.want) {
				t.Errorf("events: %q", r.events)
			}
		})
	}
}

func TestDetachBeforeTheTimeout(t *testing.T) {
	r, name := detaching(t, node("n1"), staged("a", "n1"))
	r.ReleaseTimeout, r.later = time.Hour, time.Minute
	result := r.reconcile(name)
	if result.RequeueAfter <= 58*time.Minute || result.RequeueAfter > 59*time.Minute {
		t.Errorf("looked at again after %s", result.RequeueAfter)
	}
	if va := r.attachment(name); va == nil || !strings.Contains(va.Status.DetachError.Message, "-release-timeout releases it at ") {
		t.Errorf("not told: %+v", va)
	}
}

// What cannot be read is not taken for absent.
func TestDetachNeedsEvidence(t *testing.T) {
	for _, call := range []string{"list *v1alpha1.NVMePathSetList", "get *v1.Node", "patch status *v1.VolumeAttachment"} {
		r, name := detaching(t, node("n1"))
		r.fail = failing(call)
		if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: name}}); !errors.Is(err, errTest) {
			t.Errorf("%s fails: %v", call, err)
		}
		r.fail = nil
		if va := r.attachment(name); va == nil || !va.Status.Attached {
			t.Errorf("%s fails, and the volume is released", call)
		}
	}
}

func TestDetachVanishedVolume(t *testing.T) {
	r, name := detaching(t, node("n1"), staged("a", "n1"))
	r.delete(volume("a", uuid))
	r.later = time.Hour
	r.reconcile(name)
	if va := r.attachment(name); va == nil || va.Status.DetachError == nil {
		t.Fatalf("the path set was not found without its PersistentVolume: %+v", va)
	}
	r.delete(staged("a", "n1"))
	r.reconcile(name)
	if r.attachment(name) != nil {
		t.Error("not released")
	}
}

// Somebody may have given an attachment a name of his own.
func TestDetachByVolumeName(t *testing.T) {
	va := attaching("a", "n1")
	va.Name = "by-hand"
	r := newRig(t, volume("a", uuid), va, node("n1"), staged("a", "n1"))
	r.reconcile("by-hand")
	r.delete(r.attachment("by-hand"))
	r.later = time.Hour
	r.reconcile("by-hand")
	if va := r.attachment("by-hand"); va == nil || !va.Status.Attached {
		t.Error("a mounted volume was released")
	}
}

func TestNodeWakes(t *testing.T) {
	r, name := detaching(t, node("n1"), staged("a", "n1"))
	if got := r.leaving(t.Context(), node("n1")); len(got) != 1 || got[0].Name != name {
		t.Errorf("the node wakes %v", got)
	}
	if got := r.leaving(t.Context(), node("n2")); len(got) != 0 {
		t.Errorf("another node wakes %v", got)
	}
}

// A finalizer of somebody else is left where it is.
func TestDetachKeepsForeignFinalizer(t *testing.T) {
	r := newRig(t, volume("a", uuid), node("n1"), attaching("a", "n1"))
	name := nameOf("a", "n1")
	r.reconcile(name)
	va := r.attachment(name)
	va.Finalizers = append(va.Finalizers, "example.com/audit")
	if err := r.Update(t.Context(), va); err != nil {
		t.Fatal(err)
	}
	r.delete(va)
	r.reconcile(name)
	va = r.attachment(name)
	if len(va.Finalizers) != 1 || va.Finalizers[0] != "example.com/audit" {
		t.Errorf("finalizers %v", va.Finalizers)
	}
	if s := va.Status; s.Attached || len(s.AttachmentMetadata) > 0 || s.AttachError != nil || s.DetachError != nil {
		t.Errorf("status %+v, want %+v", s, storagev1.VolumeAttachmentStatus{})
	}
	wrote := r.writes
	r.reconcile(name)
	if r.writes != wrote {
		t.Error("a released attachment was written")
	}
}

// An attachment that was released may still be in the cache.
func TestDetachGone(t *testing.T) {
	r, name := detaching(t, node("n1"), staged("a", "n1"))
	r.Live = r.cluster(node("n1"))
	r.fail = func(call string) error {
		if call == "patch status *v1.VolumeAttachment" {
			return apierrors.NewNotFound(storagev1.Resource("volumeattachments"), name)
		}
		return nil
	}
	wrote := r.writes
	r.reconcile(name)
	if r.writes != wrote || len(r.events) > 0 {
		t.Errorf("%d writes, events %q", r.writes-wrote, r.events)
	}
}
