package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/braid-csi/braid/pkg/multipath"
)

// TestReported: staging goes on once the API has the path set, and not before.
func TestReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, newFakeAPI(t, worker("n-1")))
		s.look()
		wait := func() chan error {
			answer := make(chan error, 1)
			go func() { answer <- s.reported(t.Context(), "orders") }()
			synctest.Wait()
			return answer
		}
		open := func(what string, answer chan error) {
			t.Helper()
			select {
			case err := <-answer:
				t.Errorf("%s: reported: %v", what, err)
			default:
			}
		}
		done := func(what string, answer chan error, want error) {
			t.Helper()
			if err := <-answer; !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		s.publish(&multipath.Snapshot{At: s.clock, PathSets: []multipath.PathSet{orders()}})
		answer := wait()
		open("not looked at", answer)
		s.lookThrough()
		synctest.Wait()
		open("not written", answer)
		s.run(1)
		done("written", answer, nil)
		done("again", wait(), nil)

		// It is given up and staged anew: what the API has may be on its way out.
		s.publish(&multipath.Snapshot{At: s.clock})
		answer = wait()
		open("given up", answer)
		s.publish(&multipath.Snapshot{At: s.clock, PathSets: []multipath.PathSet{orders()}})
		s.lookThrough()
		s.run(2)
		done("staged anew", answer, nil)

		s.api.answering(nobody)
		s.look(orders(), logs())
		s.run(3)
		begin := time.Now()
		err := s.reported(t.Context(), "logs")
		if took := time.Since(begin); !errors.Is(err, errNotReported) || !errors.Is(err, errAway) || took != reportTimeout {
			t.Errorf("the API server is away: %v after %s", err, took)
		}
		no := apierrors.NewForbidden(pathSets, logsName, errors.New("no such right"))
		s.api.answering(func(string, string) error { return no })
		s.run(30)
		if err := s.reported(t.Context(), "logs"); !errors.Is(err, errNotReported) || !apierrors.IsForbidden(err) {
			t.Errorf("the API server refuses: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.reported(ctx, "logs"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a second's time: %v", err)
		}
	})
}

// TestRestageWhileDeleting: the path set of a volume that returns while the old
// one is being deleted counts once it is there again.
func TestRestageWhileDeleting(t *testing.T) {
	s := newScene(t, newFakeAPI(t, worker("n-1")))
	s.look(orders())
	s.run(1)
	s.api.answering(func(verb, _ string) error {
		if verb == "delete" {
			s.look(orders()) // it is staged anew at this moment
			if e := s.entries[ordersName]; e.presence == present {
				t.Error("counts as reported while it is being deleted")
			}
		}
		return nil
	})
	s.look()
	s.run(2)
	if e := s.entries[ordersName]; e.presence != present || s.pathSet("orders") == nil {
		t.Errorf("presence %d, in the API %v", e.presence, s.pathSet("orders"))
	}
}

// TestPublishWaitsForNobody: not even for a reporter that is stuck.
func TestPublishWaitsForNobody(t *testing.T) {
	s := newScene(t, newFakeAPI(t))
	s.mu.Lock()
	defer s.mu.Unlock()
	for range 10 * maxWaiting {
		s.publish(&multipath.Snapshot{At: s.clock, PathSets: []multipath.PathSet{orders()}})
	}
	if n := len(s.inbox.waiting); n > maxWaiting {
		t.Errorf("%d observations are kept", n)
	}
}
