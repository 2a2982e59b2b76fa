package story

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

func (s *Story) upgrade(ctx context.Context) error {
	before := s.set
	eventsBefore, err := s.lab.Events(ctx, "NVMePathSet", before.Name)
	if err != nil {
		return err
	}
	oldPod, err := s.lab.NodePod(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	c, err := s.lab.Upgrade(ctx, "logLevel=4")
	if err != nil {
		return err
	}
	s.quote(c.Line(), headUntil(c.Output, "NOTES:"))
	took := time.Since(began)
	newPod, err := s.lab.WaitNodeReady(ctx, oldPod)
	if err != nil {
		return err
	}
	if err := s.claimThat(newPod.Name != oldPod.Name, fmt.Sprintf("%s replaced %s, in %s", newPod.Name, oldPod.Name, seconds(took)), "another pod"); err != nil {
		return err
	}
	stats, err := s.goesOn(ctx)
	if err := s.claim(err, fmt.Sprintf("the writer noticed nothing: %d blocks verified", stats.Verified), "no error"); err != nil {
		return err
	}
	return s.unchanged(ctx, before, lab.AllEvents(eventsBefore))
}

// unchanged wants the new braid-node to know what the old one knew, and to make
// nothing of its own start.
func (s *Story) unchanged(ctx context.Context, before v1alpha1.NVMePathSet, eventsBefore int) error {
	reading, err := s.rig.Read(ctx, uuid)
	if err != nil {
		return err
	}
	if err := s.waitSet(ctx, "the path set after the upgrade", func(set v1alpha1.NVMePathSet) error { return check.PathSetCounts(set, reading) }); err != nil {
		return err
	}
	events, err := s.lab.Events(ctx, "NVMePathSet", before.Name)
	if err != nil {
		return err
	}
	cut, err := check.PathTo(s.set, s.cut)
	if err != nil {
		return err
	}
	if _, err := s.run(ctx, "kubectl", "get", "nvmepathsets"); err != nil {
		return err
	}
	n := lab.AllEvents(events) - eventsBefore
	return all(
		s.claimThat(maps.EqualFunc(lab.Transitions(s.set), lab.Transitions(before), time.Time.Equal), "no condition has changed meanwhile", "the same lastTransitionTime, every one"),
		s.claimThat(n == 0, fmt.Sprintf("%d new events", n), "0"),
		s.claimThat(s.set.UID == before.UID, "it is the same path set", "the same uid"),
		s.claimThat(cut.Failovers.Lifetime == int64(s.failovers), fmt.Sprintf("failovers from %s in its lifetime: still %d", s.cut, cut.Failovers.Lifetime), fmt.Sprint(s.failovers)),
	)
}
