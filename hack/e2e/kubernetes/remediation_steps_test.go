package kubernetes

import (
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// policy applies a policy for the scene's volume, of its name.
func (s *scene) policy(manifest string, more ...any) {
	s.t.Helper()
	must(s.t, s.lab.Apply(s.ctx, fmt.Sprintf(manifest, append([]any{s.volume.Name}, more...)...)))
}

// endRemediated ends a scene with a policy and records.
func (s *scene) endRemediated() {
	s.t.Helper()
	s.keep("remediated")
	_, err := s.lab.Run(s.ctx, "kubectl", "delete", "nvmepathpolicies", "--all")
	must(s.t, err)
	_, err = s.lab.Run(s.ctx, "kubectl", "delete", "nvmepathremediations", "--all")
	must(s.t, err)
	s.end()
}

// flap cuts the first path, repairs it, and cuts it again, and waits until that
// is called flapping.
func (s *scene) flap() v1alpha1.NVMePathSet {
	s.t.Helper()
	s.cut()
	s.goesOn()
	s.repair()
	s.usableAgain(0)
	s.rests(restFor)
	s.cut()
	return s.waitSet("the path to be lost, and called flapping", func(set v1alpha1.NVMePathSet) error {
		return errors.Join(usable(set, s.addr(0), false), check.PathSetCounts(set, s.reading()),
			lab.HasCondition(set, v1alpha1.ConditionStable, metav1.ConditionFalse, "PathFlapping"))
	})
}

// usableAgain waits until a path is.
func (s *scene) usableAgain(path int) v1alpha1.NVMePathSet {
	s.t.Helper()
	return s.waitSet("the path to be usable again", func(set v1alpha1.NVMePathSet) error { return usable(set, s.addr(path), true) })
}

// asks asks for something by hand.
func (s *scene) asks(set v1alpha1.NVMePathSet, name, path string, actions ...string) {
	s.t.Helper()
	about := ""
	if path != "" {
		about = fmt.Sprintf("path: %q, ", path)
	}
	must(s.t, s.lab.Apply(s.ctx, fmt.Sprintf(`
apiVersion: braid.dev/v1alpha1
kind: NVMePathRemediation
metadata: {name: %s}
spec: {nodeName: %s, pathSet: %s, %sactions: [%s], reason: by hand, requestedBy: admin}
`, name, lab.NodeName, set.Name, about, strings.Join(actions, ", "))))
}

// came waits until a remediation is over, and wants it to have come to that.
func (s *scene) came(name, want string) v1alpha1.NVMePathRemediation {
	s.t.Helper()
	var r v1alpha1.NVMePathRemediation
	s.until("remediation "+name+" to be over", func() (_ bool, err error) {
		r, err = s.lab.Remediation(s.ctx, name)
		return r.Status.CompletionTime != nil, err
	})
	s.t.Logf("remediation: %s", lab.SketchRemediations([]v1alpha1.NVMePathRemediation{r}))
	if got := lab.Outcome(r); got != want {
		s.t.Errorf("remediation %s has come to %s, want %s", name, got, want)
	}
	return r
}

// notReset wants the kernel to have reset no controller of these paths since. A
// path that was cut meanwhile was reset by the kernel itself.
func (s *scene) notReset(before nvmehost.Reading, paths ...int) {
	s.t.Helper()
	now := s.reading()
	for _, path := range paths {
		was, is := before.Ways[s.addr(path)], now.Ways[s.addr(path)]
		if n := is.ControllerCounts[nvmehost.Resets] - was.ControllerCounts[nvmehost.Resets]; n != 0 {
			s.t.Errorf("%s was reset %d times", is.Controller, n)
		}
	}
}

// rests lets the writer go on for a while, so that what follows is another
// episode.
func (s *scene) rests(d time.Duration) {
	s.t.Helper()
	s.goesOnUntil(time.Now().Add(d))
}

// remediated waits until so many remediations of the path set are over, and wants
// no more.
func (s *scene) remediated(set v1alpha1.NVMePathSet, n int) []v1alpha1.NVMePathRemediation {
	s.t.Helper()
	ctx, cancel := s.waiting()
	defer cancel()
	all, err := s.lab.WaitRemediations(ctx, set.Name, n)
	must(s.t, err)
	s.t.Logf("remediations: %s", lab.SketchRemediations(all))
	if len(all) != n {
		s.t.Errorf("%d remediations, want %d", len(all), n)
	}
	return all
}

// quietFor wants the last step of a remediation to have waited for as long as the
// policy says, after the first.
func (s *scene) quietFor(r v1alpha1.NVMePathRemediation, window time.Duration) {
	s.t.Helper()
	steps := r.Status.Steps
	if len(steps) < 2 || steps[0].StartTime == nil || steps[0].Time == nil || steps[1].Time == nil {
		s.t.Fatalf("the steps have no times: %+v", steps)
	}
	// Times in the API have whole seconds.
	if waited := steps[1].Time.Sub(steps[0].Time.Time); waited < window-time.Second {
		s.t.Errorf("counters were reset %s after the controller, want it to have been quiet for %s", waited, window)
	}
}

// wasReset wants the kernel to have set the first path's controller up anew, and
// the other one not.
func (s *scene) wasReset(before, after nvmehost.Reading) {
	s.t.Helper()
	for i, want := range []uint64{1, 0} {
		was, is := before.Ways[s.addr(i)], after.Ways[s.addr(i)]
		if got := is.ControllerCounts[nvmehost.Resets] - was.ControllerCounts[nvmehost.Resets]; got != want {
			s.t.Errorf("%s was reset %d times, want %d", is.Controller, got, want)
		}
		if n := is.Counts[nvmehost.Failovers]; n != 0 {
			s.t.Errorf("the kernel has %d failovers of %s after the reset, want 0", n, is.Path)
		}
	}
}

// first is the path set's first path.
func (s *scene) first(set v1alpha1.NVMePathSet) v1alpha1.PathStatus {
	s.t.Helper()
	p, err := check.PathTo(set, s.addr(0))
	must(s.t, err)
	if p.Failovers == nil {
		s.t.Fatalf("the path set says of its path: %+v", p)
	}
	return p
}
