package agent

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
)

// TestAPIAway: nobody is held up, few requests are made, and when it is back
// it learns everything with its times.
func TestAPIAway(t *testing.T) {
	s := newScene(t, newFakeAPI(t, worker("n-1")))
	s.look(orders(), logs())
	s.run(1)
	s.api.took()

	s.api.answering(nobody)
	s.found["orders"] = []health.Finding{lost}
	s.watch(20, orders(cut(32)), logs()) // from 1 on
	s.found["orders"] = nil
	s.watch(60, orders(), logs()) // from 21 on
	s.found["orders"] = []health.Finding{none}
	s.watch(39, orders(cut(40)), logs()) // from 81 on
	if n := len(s.api.took()); n < 5 || n > 40 {
		t.Errorf("%d requests in two minutes, want a few", n)
	}
	if n := s.errors(); n != 1 {
		t.Errorf("%d errors were logged, want one:\n%s", n, s.log)
	}
	if got := s.pathSet("orders"); ready(got) != "True/Healthy" {
		t.Fatalf("it says %s, and nothing could be written", ready(got))
	}

	s.api.answering(nil)
	s.watch(16, orders(cut(40)), logs())
	s.wantAsked("once it is back", "status "+ordersName,
		"create PathRedundancyLost on NVMePathSet", "create PathRedundancyLost on PersistentVolumeClaim",
		"create Healthy on NVMePathSet", "create Healthy on PersistentVolumeClaim",
		"create NoUsablePath on NVMePathSet", "create NoUsablePath on PersistentVolumeClaim")
	got := s.pathSet("orders")
	if since := got.Status.Conditions[0].LastTransitionTime.Time; ready(got) != "False/NoUsablePath" || !since.Equal(after(81)) {
		t.Errorf("%s since %s, want NoUsablePath since %s", ready(got), since, after(81))
	}
	var told []string
	for _, e := range s.events() {
		if e.InvolvedObject.Kind == "NVMePathSet" {
			told = append(told, fmt.Sprintf("%s at %v", e.Reason, e.LastTimestamp.Sub(noon)))
		}
	}
	want := []string{"PathRedundancyLost at 1s", "Healthy at 21s", "NoUsablePath at 1m21s"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestAPIAwayAtStart: what happens before anybody knows what the API says is
// told as if it had been known.
func TestAPIAwayAtStart(t *testing.T) {
	api := newFakeAPI(t, worker("n-1"))
	first := newScene(t, api)
	first.look(orders())
	first.run(5)
	api.took()

	s := newScene(t, api)
	s.api.answering(nobody)
	s.clock = after(10)
	s.watch(20, orders()) // nothing has happened yet
	s.found["orders"] = []health.Finding{lost}
	s.watch(300, orders(cut(32))) // from 30 on
	s.found["orders"] = nil
	s.watch(300, orders(cut(32))) // from 330 on
	if n := len(s.api.took()); n > 100 {
		t.Errorf("%d requests in ten minutes", n)
	}
	if n := len(s.inbox.waiting); n > 6 {
		t.Errorf("%d observations are kept, want the first and the last of each time", n)
	}
	s.api.answering(nil)
	s.watch(16, orders(cut(32)))
	var told []string
	for _, e := range s.events() {
		if e.InvolvedObject.Kind == "NVMePathSet" {
			told = append(told, fmt.Sprintf("%s at %v", e.Reason, e.LastTimestamp.Sub(noon)))
		}
	}
	if diff := cmp.Diff([]string{"PathRedundancyLost at 30s", "Healthy at 5m30s"}, told); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for _, c := range s.pathSet("orders").Status.Conditions {
		want := noon
		if c.Type == v1alpha1.ConditionReady || c.Type == v1alpha1.ConditionRedundant {
			want = after(330)
		}
		if !c.LastTransitionTime.Time.Equal(want) {
			t.Errorf("%s since %s, want %s", c.Type, c.LastTransitionTime, want)
		}
	}
}

// TestRefused: an answer that is no is not asked for again and again, is
// logged once, and holds nobody else up.
func TestRefused(t *testing.T) {
	s := newScene(t, newFakeAPI(t, worker("n-1")))
	s.api.answering(func(verb, name string) error {
		if verb == "status" && name != logsName {
			return apierrors.NewInvalid(v1alpha1.GroupVersion.WithKind("NVMePathSet").GroupKind(), name, nil)
		}
		return nil
	})
	var sets []multipath.PathSet
	for i := range 20 {
		set := orders()
		set.VolumeID = fmt.Sprint("volume-", i)
		sets = append(sets, set)
	}
	s.watch(600, append(sets, logs())...)
	refused := 0
	for _, a := range s.api.took() {
		if a == "status "+Name(testNode, "volume-7") {
			refused++
		}
	}
	if refused < 5 || refused > 12 {
		t.Errorf("asked %d times in ten minutes", refused)
	}
	if n := s.errors(); n != 1 {
		t.Errorf("%d errors were logged, want one:\n%s", n, s.log)
	}
	if got := s.pathSet("logs"); ready(got) != "True/Healthy" {
		t.Errorf("another volume says %q", ready(got))
	}
	s.api.answering(nil)
	s.watch(301, append(sets, logs())...)
	if got := s.pathSet("volume-7"); ready(got) != "True/Healthy" {
		t.Errorf("once it is allowed, it says %q", ready(got))
	}
}

// TestEventRefused: an event that cannot be written holds no condition up.
func TestEventRefused(t *testing.T) {
	s := newScene(t, newFakeAPI(t, worker("n-1")))
	s.look(orders())
	s.run(1)
	s.api.answering(func(verb, name string) error {
		if verb == "create" && name == "PathRedundancyLost on PersistentVolumeClaim" {
			return apierrors.NewForbidden(pathSets, name, errors.New("the namespace is being deleted"))
		}
		return nil
	})
	s.found["orders"] = []health.Finding{lost}
	s.watch(60, orders(cut(32)))
	if got := s.pathSet("orders"); ready(got) != "False/PathRedundancyLost" {
		t.Errorf("it says %s", ready(got))
	}
	if n := len(s.events()); n != 1 {
		t.Errorf("%d events, want the one on the path set", n)
	}
}
