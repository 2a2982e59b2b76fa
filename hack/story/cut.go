package story

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

const (
	// noticed is how soon the API tells of a lost path.
	noticed = 2 * time.Second
	// lively is how soon a cluster answers that has its machine to itself; a few
	// tenths of a second were measured.
	lively = time.Second
	// healthPeriod is kubelet's volumeStatsAggPeriod: how often it asks for the
	// health of volumes. By default it is a minute.
	healthPeriod = 5 * time.Second
	// longestStall tells a program that was held up from one that hung. It is no
	// measure: the node is emulated, and its rounds alone are a second long. It
	// is what Linux gives a command by default (nvme_core.io_timeout).
	longestStall = 30 * time.Second
	// inFlight is how many commands the path carries when it is cut.
	inFlight = 12

	lost = "PathRedundancyLost"
)

func (s *Story) losePath(ctx context.Context) error {
	s.pulse = s.lab.TakePulse(ctx)
	defer s.pulse.Stop()
	cut, err := s.rig.Cut(ctx, 0, uuid, inFlight)
	if err != nil {
		return err
	}
	s.cutAt = time.Now()
	s.say("The target drops port 1 while %s carries %d commands.", cut.Path, cut.InFlight)
	seen, reading, err := s.watchCut(ctx)
	if err != nil {
		return err
	}
	c, err := s.lab.Run(ctx, "kubectl", "describe", "nvmepathset", s.set.Name)
	if err != nil {
		return err
	}
	s.quote(c.Line(), outline(c.Output, []string{"Name", "Status", "  Summary"}, []string{"Type: Redundant", "Address: tcp://" + s.cut.String()}))
	redundant := lab.ConditionOf(s.set, v1alpha1.ConditionRedundant)
	soon := "less than " + noticed.String()
	if err := all(
		s.claimSoon(seen.state, noticed, fmt.Sprintf("the path is down, and Redundant=%s, %s after the cut", redundant, seconds(seen.state)), "False/"+lost+", "+soon),
		s.claimSoon(seen.counts, noticed, fmt.Sprintf("its failovers are there after %s", seconds(seen.counts)), soon),
		s.claimSoon(seen.event, noticed, fmt.Sprintf("the event is there after %s", seconds(seen.event)), soon),
		s.claimFailovers(reading),
	); err != nil {
		return err
	}
	return all(s.claimEvent(ctx), s.volumeHealth(ctx), s.survives(ctx), s.keep(ctx, "2-cut"))
}

// claimSoon is claim for what must not take longer than a limit. Where the
// cluster itself stood still that cannot be judged, and is not claimed.
func (s *Story) claimSoon(took, limit time.Duration, found, expected string) error {
	still := s.pulse.Longest()
	if took >= limit && still >= lively {
		s.unclaimed(found, fmt.Sprintf("%s; the cluster stood still for %s", expected, seconds(still)))
		return nil
	}
	return s.claimThat(took < limit, found, expected)
}

// sightings are how soon after the cut things were to be seen.
type sightings struct{ state, counts, event time.Duration }

// watchCut waits until the API tells all there is to tell of the cut.
func (s *Story) watchCut(ctx context.Context) (seen sightings, reading nvmehost.Reading, err error) {
	note := func(first *time.Duration, err error) error {
		if err == nil && *first == 0 {
			*first = time.Since(s.cutAt)
		}
		return err
	}
	err = s.waitSet(ctx, "the path set to tell of the cut", func(set v1alpha1.NVMePathSet) (err error) {
		state := note(&seen.state, all(s.pathDown(set), lab.RedundancyLost(set)))
		if reading, err = s.rig.Read(ctx, uuid); err != nil {
			return err
		}
		counts := note(&seen.counts, all(state, check.PathSetCounts(set, reading)))
		events, err := s.lab.Events(ctx, "NVMePathSet", set.Name)
		if err == nil && lab.CountEvents(events, lost) == 0 {
			err = fmt.Errorf("no event %s", lost)
		}
		return all(counts, note(&seen.event, err))
	})
	return seen, reading, err
}

// pathDown wants the path that was cut to be down, and the other one not.
func (s *Story) pathDown(set v1alpha1.NVMePathSet) error {
	cut, err := check.PathTo(set, s.cut)
	if err != nil {
		return err
	}
	other, err := check.PathTo(set, s.other)
	if err == nil && (cut.Usable || !other.Usable) {
		err = fmt.Errorf("path to %s usable: %t, to %s: %t", s.cut, cut.Usable, s.other, other.Usable)
	}
	return err
}

func (s *Story) claimFailovers(reading nvmehost.Reading) error {
	cut, err := check.PathTo(s.set, s.cut)
	if err != nil {
		return err
	}
	other, err := check.PathTo(s.set, s.other)
	if err != nil {
		return err
	}
	s.failovers = reading.Ways[s.cut].Counts[nvmehost.Failovers]
	kernelOther := reading.Ways[s.other].Counts[nvmehost.Failovers]
	return all(
		s.claimThat(s.failovers >= check.LeastFailovers && cut.Failovers.SinceReset == int64(s.failovers),
			fmt.Sprintf("failovers from %s: %d, in sysfs %d", s.cut, cut.Failovers.SinceReset, s.failovers),
			fmt.Sprintf("equal, at least %d", check.LeastFailovers)),
		s.claimThat(other.Failovers.SinceReset == 0 && kernelOther == 0,
			fmt.Sprintf("failovers from %s: %d, in sysfs %d", s.other, other.Failovers.SinceReset, kernelOther), "0"),
	)
}

// claimEvent wants the claim's events to tell of it: that is where the owner of
// the pod looks.
func (s *Story) claimEvent(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	events, err := s.lab.WaitEvent(ctx, "PersistentVolumeClaim", volume, lost)
	if err != nil {
		return err
	}
	c, err := s.lab.Run(ctx, "kubectl", "describe", "pvc", volume)
	if err != nil {
		return err
	}
	s.quote(c.Line(), tailFrom(c.Output, "Events:"))
	return s.claimThat(lab.CountEvents(events, lost) == 1, fmt.Sprintf("the claim has %d event %s", lab.CountEvents(events, lost), lost), "1")
}

// volumeHealth wants kubelet to tell of it in the pod's status.
func (s *Story) volumeHealth(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	health, err := s.lab.WaitVolumeHealth(waiting, pod, "a degraded volume", func(h []corev1.VolumeHealthCondition) bool {
		return len(h) > 0
	})
	took := time.Since(s.cutAt)
	if err != nil {
		return err
	}
	if _, err := s.run(ctx, "kubectl", "get", "pod", pod, "--output", "jsonpath={.status.volumeHealth}"); err != nil {
		return err
	}
	found := lab.SketchHealth(health)
	return all(
		s.claimThat(found == "Degraded/"+lost, "the pod's volume health: "+found, "Degraded/"+lost),
		s.claimSoon(took, healthPeriod+noticed, fmt.Sprintf("it is there %s after the cut", seconds(took)), fmt.Sprintf("less than kubelet's period of %s and %s", healthPeriod, noticed)),
	)
}

func (s *Story) survives(ctx context.Context) error {
	stats, err := s.goesOn(ctx)
	return s.claim(err, fmt.Sprintf("the writer goes on over the other path: %d blocks verified", stats.Verified), "no error")
}
