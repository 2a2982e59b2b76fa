package story

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

func (s *Story) start(ctx context.Context) error {
	s.say("subsystem  %s", nqn)
	s.say("namespace  %s", uuid)
	s.say("addresses  %s", strings.ReplaceAll(s.volume.Addresses(), ",", ", "))
	s.say("The target takes %s for every command, so that there is I/O in flight.", backend)
	began := time.Now()
	if err := s.apply(ctx, volume+".yaml", s.volume.Manifest()); err != nil {
		return err
	}
	if err := s.apply(ctx, pod+".yaml", lab.Pod{Name: pod, Volume: s.volume}.Manifest()); err != nil {
		return err
	}
	err := s.lab.WaitPodReady(ctx, pod, patience)
	if err := s.claim(err, fmt.Sprintf("pod %s is ready, %s after", pod, seconds(time.Since(began))), "ready"); err != nil {
		return err
	}
	if s.writer, err = s.lab.Writer(ctx, pod); err != nil {
		return err
	}
	stats, err := s.goesOn(ctx)
	return s.claim(err, fmt.Sprintf("it writes checksummed blocks, %d at a time, and reads each back: %d verified so far", load.RoundDepth, stats.Verified), "no error")
}

// goesOn waits until the writer has verified two rounds more.
func (s *Story) goesOn(ctx context.Context) (load.Stats, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.writer.GoesOn(ctx, 2*load.RoundDepth)
}

// multiAttach has Kubernetes keep a volume from being on two nodes.
func (s *Story) multiAttach(ctx context.Context) error {
	if err := s.lab.AddNode(ctx, otherNode); err != nil {
		return err
	}
	second := lab.Pod{Name: secondPod, Volume: s.volume, Node: otherNode}
	if err := s.apply(ctx, secondPod+".yaml", second.Manifest()); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	events, err := s.lab.WaitEvent(waiting, "Pod", secondPod, "FailedAttachVolume")
	if err != nil {
		return err
	}
	if _, err := s.run(ctx, "kubectl", "events", "--for", "pod/"+secondPod); err != nil {
		return err
	}
	if _, err := s.run(ctx, "kubectl", "get", "volumeattachments"); err != nil {
		return err
	}
	attached, err := s.lab.AttachedTo(ctx, volume)
	if err != nil {
		return err
	}
	err = all(
		// What Kubernetes called a Multi-Attach error before 1.37.
		s.claimThat(lab.EventSays(events, "FailedAttachVolume", "already used by pod(s) "+pod), "pod "+secondPod+" has to wait", "FailedAttachVolume, because of pod "+pod),
		s.claimThat(len(attached) == 1 && attached[0] == lab.NodeName, fmt.Sprintf("the volume is attached to %s", strings.Join(attached, ", ")), lab.NodeName+" alone"),
	)
	if err != nil {
		return err
	}
	return s.lab.RemoveNode(ctx, otherNode, secondPod)
}

func (s *Story) look(ctx context.Context) error {
	if err := s.waitSet(ctx, "both paths to be usable", lab.Healthy); err != nil {
		return err
	}
	if _, err := s.run(ctx, "kubectl", "get", "nvmepathsets"); err != nil {
		return err
	}
	reading, err := s.rig.Read(ctx, uuid)
	if err != nil {
		return err
	}
	ready := lab.ConditionOf(s.set, v1alpha1.ConditionReady)
	return all(
		s.claimThat(s.set.Status.Summary == "2/2", s.set.Status.Summary+" paths usable", "2/2"),
		s.claimThat(ready == "True/Healthy", "Ready="+ready, "True/Healthy"),
		s.claim(check.PathSetCounts(s.set, reading), "its counts are those in the node's sysfs", "equal, every one"),
		s.keep(ctx, "1-healthy"),
	)
}
