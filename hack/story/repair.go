package story

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// reason is what the operator of the story gives for the reset.
const reason = "port 1 repaired, ticket 4711"

func (s *Story) repair(ctx context.Context) error {
	if err := s.rig.Repair(ctx, 0); err != nil {
		return err
	}
	began := time.Now()
	s.say("The target serves port 1 again.")
	if err := s.waitSet(ctx, "the path set to be healthy", lab.Healthy); err != nil {
		return err
	}
	took := time.Since(began)
	if _, err := s.run(ctx, "kubectl", "get", "nvmepathsets"); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := s.lab.WaitEvent(waiting, "NVMePathSet", s.set.Name, v1alpha1.ReasonHealthy); err != nil {
		return err
	}
	_, unhealthy := s.lab.WaitVolumeHealth(waiting, pod, "a healthy volume", func(h []corev1.VolumeHealthCondition) bool { return len(h) == 0 })
	cut, err := check.PathTo(s.set, s.cut)
	if err != nil {
		return err
	}
	return all(
		s.claimThat(s.set.Status.Summary == "2/2", fmt.Sprintf("%s paths usable, all conditions true, %s after the repair", s.set.Status.Summary, seconds(took)),
			fmt.Sprintf("2/2, not before %s of quiet", lab.ClearAfter)),
		s.claimThat(took >= lab.ClearAfter, "the conditions did not clear at the first sign", lab.ClearAfter.String()+" of quiet: health.clearAfter"),
		s.claimThat(cut.Failovers.SinceReset == int64(s.failovers), fmt.Sprintf("%d failovers stay on record", cut.Failovers.SinceReset), fmt.Sprint(s.failovers)),
		s.claim(unhealthy, "the pod's volume health is empty again", "empty"),
	)
}

// remediation is the request to reset the counters.
func (s *Story) remediation(name, requestedBy string) string {
	return fmt.Sprintf(`apiVersion: braid.dev/v1alpha1
kind: NVMePathRemediation
metadata:
  name: %s
spec:
  nodeName: %s
  pathSet: %s
  actions: [ResetCounters]
  reason: %s
  requestedBy: %s
`, name, lab.NodeName, s.set.Name, reason, requestedBy)
}

func (s *Story) reset(ctx context.Context) error {
	who, err := s.whoami(ctx)
	if err != nil {
		return err
	}
	if err := s.refuseAnother(ctx); err != nil {
		return err
	}
	const name = volume + "-port-1"
	manifest := s.remediation(name, who)
	if err := s.lab.Write(name+".yaml", manifest); err != nil {
		return err
	}
	s.quote("cat "+name+".yaml", manifest)
	if _, err := s.run(ctx, "kubectl", "apply", "--filename", name+".yaml"); err != nil {
		return err
	}
	if _, err := s.run(ctx, "kubectl", "wait", "--for=condition=Succeeded", "nvmepathremediation/"+name, "--timeout=60s"); err != nil {
		return err
	}
	c, err := s.lab.Run(ctx, "kubectl", "describe", "nvmepathremediation", name)
	if err != nil {
		return err
	}
	s.quote(c.Line(), outline(c.Output, []string{"Name", "Spec", "  Reason", "  Requested By", "Status", "  Start", "  Completion", "  Reset"},
		[]string{fmt.Sprintf("Before: %d", s.failovers), "Type: Succeeded"}))
	record, err := s.lab.Remediation(ctx, name)
	if err != nil {
		return err
	}
	if err := s.recorded(record, who); err != nil {
		return err
	}
	return all(s.zeroed(ctx), s.keep(ctx, "3-reset"))
}

// whoami is who we are to the API server.
func (s *Story) whoami(ctx context.Context) (string, error) {
	c, err := s.run(ctx, "kubectl", "auth", "whoami", "--output", "jsonpath={.status.userInfo.username}")
	return strings.TrimSpace(c.Output), err
}

// refuseAnother wants nobody to be able to put somebody else's name on record.
func (s *Story) refuseAnother(ctx context.Context) error {
	const file = "in-another-name.yaml"
	if err := s.lab.Write(file, s.remediation("in-another-name", "alice")); err != nil {
		return err
	}
	c, err := s.lab.Run(ctx, "kubectl", "apply", "--filename", file)
	var refused *lab.CommandError
	if !errors.As(err, &refused) {
		return all(err, s.claimThat(false, "a remediation requested in the name of alice was taken", "refused"))
	}
	s.quote(c.Line(), refused.Stderr+"\n")
	return s.claimThat(strings.Contains(refused.Stderr, "requestedBy"), "a remediation in the name of somebody else is refused", "refused, because of requestedBy")
}

// recorded wants who, when, why, and the counters before and after.
func (s *Story) recorded(r v1alpha1.NVMePathRemediation, who string) error {
	change, err := lab.ChangeOf(r, "tcp://"+s.cut.String(), "failovers")
	if err != nil {
		return err
	}
	done := r.Status.CompletionTime
	return all(
		s.claimThat(r.Spec.RequestedBy == who && r.Spec.Reason == reason, fmt.Sprintf("on record: %s, %q", r.Spec.RequestedBy, r.Spec.Reason), "who, as the API server knows, and why"),
		s.claimThat(done != nil && time.Since(done.Time) < patience, "on record: when it was done", "just now"),
		s.claimThat(change.Before == int64(s.failovers) && change.After == 0,
			fmt.Sprintf("on record: failovers from %s, %d before and %d after", s.cut, change.Before, change.After), fmt.Sprintf("%d and 0", s.failovers)),
	)
}

// zeroed wants the kernel's counters to be 0 and lifetime totals as they were.
func (s *Story) zeroed(ctx context.Context) error {
	var reading nvmehost.Reading
	err := s.waitSet(ctx, "the path set to show the reset", func(set v1alpha1.NVMePathSet) (err error) {
		if set.Status.LastReset == nil {
			return errors.New("no reset in the path set's status")
		}
		if reading, err = s.rig.Read(ctx, uuid); err != nil {
			return err
		}
		return check.PathSetCounts(set, reading)
	})
	if err != nil {
		return err
	}
	cut, err := check.PathTo(s.set, s.cut)
	if err != nil {
		return err
	}
	return all(
		s.claim(check.Zeroed(reading), "the kernel's counters of both paths and of the device read 0", "0"),
		s.claimThat(cut.Failovers.SinceReset == 0 && cut.Failovers.Lifetime == int64(s.failovers),
			fmt.Sprintf("failovers from %s: %d since the reset, %d in its lifetime", s.cut, cut.Failovers.SinceReset, cut.Failovers.Lifetime), fmt.Sprintf("0 and %d", s.failovers)),
	)
}
