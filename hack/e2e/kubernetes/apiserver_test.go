package kubernetes

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// awayFor is for how long the API server is away.
const awayFor = 2 * time.Minute

// TestKubernetesAPIServerAway has a path come and go while nobody can be told
// of it. I/O goes on, and afterwards the path set says what happened.
func TestKubernetesAPIServerAway(t *testing.T) {
	s := newScene(t, alphaOn)
	before := s.start()

	s.lab.StopAPIServer()
	stopped := time.Now()
	s.cut()
	cutAt := time.Now()
	s.goesOnUntil(stopped.Add(awayFor / 2))
	s.repair()
	s.goesOnUntil(stopped.Add(awayFor))
	kernel := s.reading()
	must(t, s.lab.StartAPIServer(s.ctx))
	t.Logf("the API server was away for %s", time.Since(stopped).Round(time.Second))

	set := s.waitSet("the path set to tell of both", func(set v1alpha1.NVMePathSet) error {
		return errors.Join(s.toldOfCut(set, cutAt), check.PathSetCounts(set, kernel))
	})
	if n := s.failovers(set, 0); n < check.LeastFailovers {
		t.Errorf("%d failovers while the API server was away, want at least %d", n, check.LeastFailovers)
	}
	if before.UID != set.UID {
		t.Error("it is another path set")
	}
	set = s.healthyAgain()
	s.goesOn()
	s.end()
}

// goesOnUntil wants the writer to go on until then.
func (s *scene) goesOnUntil(end time.Time) {
	s.t.Helper()
	for time.Now().Before(end) {
		s.goesOn()
	}
}

// toldOfCut wants the path's last failover to be at the time of the cut.
func (s *scene) toldOfCut(set v1alpha1.NVMePathSet, cutAt time.Time) error {
	p, err := check.PathTo(set, s.addr(0))
	if err != nil {
		return err
	}
	if p.LastFailoverTime == nil {
		return errors.New("the path set knows of no failover")
	}
	if p.LastFailoverTime.Sub(cutAt).Abs() > 15*time.Second {
		return fmt.Errorf("the last failover was at %s, the cut at %s", p.LastFailoverTime, cutAt)
	}
	return nil
}
