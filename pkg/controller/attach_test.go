package controller

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestAttach(t *testing.T) {
	r := newRig(t, volume("a", uuid), attaching("a", "n1"))
	r.reconcile(nameOf("a", "n1"))
	va := r.attachment(nameOf("a", "n1"))
	if !va.Status.Attached || !slices.Contains(va.Finalizers, Finalizer) {
		t.Errorf("attached %t, finalizers %v", va.Status.Attached, va.Finalizers)
	}
	want := map[string]string{"persistentVolumeName": "a", "claimNamespace": "shop", "claimName": "a-claim", "claimUID": "uid-1"}
	if diff := cmp.Diff(want, va.Status.AttachmentMetadata); diff != "" {
		t.Errorf("attachmentMetadata (-want +got):\n%s", diff)
	}
	wrote := r.writes
	r.reconcile(va.Name)
	if r.writes != wrote {
		t.Errorf("an attachment that is fine was written %d times", r.writes-wrote)
	}
}

// The finalizer comes first: an attachment must never be attached without it.
func TestAttachInterrupted(t *testing.T) {
	r := newRig(t, volume("a", uuid), attaching("a", "n1"))
	name := types.NamespacedName{Name: nameOf("a", "n1")}
	for _, tc := range []struct {
		call string
		kept bool
	}{
		{"patch *v1.VolumeAttachment", false},
		{"patch status *v1.VolumeAttachment", true},
	} {
		r.fail = failing(tc.call)
		if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: name}); !errors.Is(err, errTest) {
			t.Errorf("%s fails: %v", tc.call, err)
		}
		va := r.attachment(name.Name)
		if va.Status.Attached || slices.Contains(va.Finalizers, Finalizer) != tc.kept {
			t.Errorf("%s fails: attached %t, finalizers %v", tc.call, va.Status.Attached, va.Finalizers)
		}
	}
	r.fail = nil
	r.reconcile(name.Name)
	if !r.attachment(name.Name).Status.Attached {
		t.Error("not attached in the end")
	}
	// Somebody takes the finalizer away.
	va := r.attachment(name.Name)
	va.Finalizers = nil
	if err := r.Update(t.Context(), va); err != nil {
		t.Fatal(err)
	}
	r.reconcile(name.Name)
	if va := r.attachment(name.Name); !slices.Contains(va.Finalizers, Finalizer) || !va.Status.Attached {
		t.Errorf("the finalizer did not come back: %v", va.Finalizers)
	}
}

func TestAttachRefused(t *testing.T) {
	foreign := volume("a", uuid)
	foreign.Spec.CSI.Driver = "csi.example.com"
	local := volume("a", uuid)
	local.Spec.PersistentVolumeSource = corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/mnt"}}
	broken := volume("a", "not-a-uuid")
	broken.Spec.CSI.VolumeAttributes["adresses"] = "192.0.2.1"
	leaving := volume("a", uuid)
	leaving.Finalizers = []string{"kubernetes.io/pv-protection"}
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	inline := attaching("a", "n1")
	inline.Spec.Source = storagev1.VolumeAttachmentSource{InlineVolumeSpec: &volume("a", uuid).Spec}
	for _, tc := range []struct {
		name       string
		volume     *corev1.PersistentVolume
		attachment *storagev1.VolumeAttachment
		want       []string
	}{
		{"no volume", nil, attaching("a", "n1"), []string{"PersistentVolume a does not exist"}},
		{"another driver's", foreign, attaching("a", "n1"), []string{"PersistentVolume a is not a volume of csi.braid.dev"}},
		{"no CSI volume", local, attaching("a", "n1"), []string{"PersistentVolume a is not a volume of csi.braid.dev"}},
		{"being deleted", leaving, attaching("a", "n1"), []string{"PersistentVolume a is being deleted"}},
		{"bad attributes", broken, attaching("a", "n1"), []string{"PersistentVolume a: ", "namespaceUUID", "adresses"}},
		{"inline", volume("a", uuid), inline, []string{"needs a persistentVolumeName"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, tc.attachment)
			if tc.volume != nil {
				r = newRig(t, tc.attachment, tc.volume)
			}
			name := tc.attachment.Name
			if result := r.reconcile(name); result.RequeueAfter == 0 {
				t.Error("it is not looked at again")
			}
			va := r.attachment(name)
			if va.Status.Attached || len(va.Finalizers) > 0 || va.Status.AttachError == nil {
				t.Fatalf("attached %t, finalizers %v, attachError %v", va.Status.Attached, va.Finalizers, va.Status.AttachError)
			}
			for _, part := range tc.want {
				if !strings.Contains(va.Status.AttachError.Message, part) {
					t.Errorf("attachError %q has no %q", va.Status.AttachError.Message, part)
				}
			}
			wrote := r.writes
			r.reconcile(name)
			if r.writes != wrote {
				t.Error("the same error was written again")
			}
			// Without a finalizer it can be deleted, and nothing comes of it.
			r.delete(va)
			r.reconcile(name)
		})
	}
}

func TestAttachAfterRefusal(t *testing.T) {
	r := newRig(t, attaching("a", "n1"))
	name := nameOf("a", "n1")
	r.reconcile(name)
	if r.attachment(name).Status.AttachError == nil {
		t.Fatal("attached without a volume")
	}
	pv := volume("a", uuid)
	r.create(pv)
	if got := r.ofVolume(t.Context(), pv); len(got) != 1 || got[0].Name != name {
		t.Errorf("the volume wakes %v", got)
	}
	r.reconcile(name)
	if va := r.attachment(name); !va.Status.Attached || va.Status.AttachError != nil {
		t.Errorf("attached %t, attachError %v", va.Status.Attached, va.Status.AttachError)
	}
}

// A volume may not be in the cache yet when its attachment is.
func TestAttachVolumeNotInCache(t *testing.T) {
	r := newRig(t, attaching("a", "n1"))
	r.Live = r.cluster(volume("a", uuid))
	r.reconcile(nameOf("a", "n1"))
	if va := r.attachment(nameOf("a", "n1")); !va.Status.Attached {
		t.Errorf("attachError %v", va.Status.AttachError)
	}
}

func TestOthersAreLeftAlone(t *testing.T) {
	foreign := attaching("a", "n1")
	foreign.Spec.Attacher = "csi.example.com"
	r := newRig(t, volume("a", uuid), foreign)
	r.reconcile(foreign.Name)
	r.reconcile("does-not-exist")
	if r.writes > 0 {
		t.Errorf("another driver's attachment was written: %+v", r.attachment(foreign.Name))
	}
	if got := r.ofVolume(t.Context(), volume("a", uuid)); len(got) > 0 {
		t.Errorf("it is woken: %v", got)
	}
}

func TestOneNamespaceTwoVolumes(t *testing.T) {
	const otherUUID = "0c7f3a52-0000-4000-8000-000000000002"
	upper := strings.ToUpper(uuid)
	for _, tc := range []struct {
		name    string
		second  *corev1.PersistentVolume
		node    string
		refused bool
	}{
		{"another namespace", volume("b", otherUUID), "n2", false},
		{"the same namespace on the same node", volume("b", uuid), "n1", false},
		{"the same namespace on another node", volume("b", uuid), "n2", true},
		{"the same namespace, spelled otherwise", volume("b", upper), "n2", true},
		{"shared by the second only", volume("b", uuid, corev1.ReadWriteMany), "n2", true},
		{"the same volume on another node", volume("a", uuid), "n2", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			objects := []client.Object{volume("a", uuid), attaching("a", "n1"), attaching(tc.second.Name, tc.node)}
			if tc.second.Name != "a" {
				objects = append(objects, tc.second)
			}
			r := newRig(t, objects...)
			first, second := nameOf("a", "n1"), nameOf(tc.second.Name, tc.node)
			r.reconcile(first)
			r.reconcile(second)
			va := r.attachment(second)
			if va.Status.Attached == tc.refused {
				t.Fatalf("attached %t: %v", va.Status.Attached, va.Status.AttachError)
			}
			if !tc.refused {
				return
			}
			if m := va.Status.AttachError.Message; !strings.Contains(m, "attached to node n1, as PersistentVolume a (VolumeAttachment "+first) {
				t.Errorf("attachError %q", m)
			}
			// The first one goes, and that wakes the second.
			r.delete(r.attachment(first))
			r.reconcile(first)
			if got := r.refused(t.Context(), nil); len(got) != 1 || got[0].Name != second {
				t.Errorf("woken: %v", got)
			}
			r.reconcile(second)
			if va := r.attachment(second); !va.Status.Attached || va.Status.AttachError != nil {
				t.Errorf("attached %t, attachError %v", va.Status.Attached, va.Status.AttachError)
			}
		})
	}
}

func TestManyNodesMayShare(t *testing.T) {
	r := newRig(t, volume("a", uuid, corev1.ReadOnlyMany), volume("b", uuid, corev1.ReadWriteMany),
		attaching("a", "n1"), attaching("a", "n2"), attaching("b", "n3"))
	for _, name := range []string{nameOf("a", "n1"), nameOf("a", "n2"), nameOf("b", "n3")} {
		r.reconcile(name)
		if va := r.attachment(name); !va.Status.Attached {
			t.Errorf("node %s: %v", va.Spec.NodeName, va.Status.AttachError)
		}
	}
}

// A volume whose PersistentVolume was deleted while it is mounted still has its
// namespace.
func TestNamespaceOfAVanishedVolume(t *testing.T) {
	r := newRig(t, volume("a", uuid), volume("b", uuid), attaching("a", "n1"), attaching("b", "n2"), staged("a", "n1"))
	r.reconcile(nameOf("a", "n1"))
	r.delete(volume("a", uuid))
	r.reconcile(nameOf("b", "n2"))
	if va := r.attachment(nameOf("b", "n2")); va.Status.Attached || !strings.Contains(va.Status.AttachError.Message, "node n1, as PersistentVolume a") {
		t.Errorf("attached %t: %v", va.Status.Attached, va.Status.AttachError)
	}
}

// The path set of a node that is out of service stays, and must not keep the
// volume from going elsewhere.
func TestPathSetAloneHoldsNothing(t *testing.T) {
	r := newRig(t, volume("a", uuid), staged("a", "n1"), attaching("a", "n2"))
	r.reconcile(nameOf("a", "n2"))
	if va := r.attachment(nameOf("a", "n2")); !va.Status.Attached {
		t.Errorf("attachError %v", va.Status.AttachError)
	}
}

var errTest = errors.New("test failure")

func failing(call string) func(string) error {
	return func(c string) error {
		if c == call {
			return errTest
		}
		return nil
	}
}
