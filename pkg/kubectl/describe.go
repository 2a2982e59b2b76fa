package kubectl

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

func (p *plugin) describe() *cobra.Command {
	var s selection
	cmd := &cobra.Command{
		Use:               "describe PVC",
		Short:             "Tell all there is to know of a volume's paths, with remediations and events",
		Example:           "  kubectl braid describe orders",
		Args:              oneVolume,
		ValidArgsFunction: p.completeVolume,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, sets, err := p.find(cmd.Context(), args[0], s)
			if err != nil {
				return err
			}
			var stories []story
			for i := range sets {
				story, err := p.tell(cmd.Context(), &sets[i])
				if err != nil {
					return err
				}
				stories = append(stories, story)
			}
			return write(p.streams.Out, p.now(), func(page *page) {
				for i, story := range stories {
					if i > 0 {
						page.line("")
					}
					page.describe(story)
				}
			})
		},
	}
	p.addNode(cmd, &s)
	return cmd
}

// story is a path set with what was done about it and what happened to it.
type story struct {
	set          *v1alpha1.NVMePathSet
	remediations []v1alpha1.NVMePathRemediation
	events       []corev1.Event
	// untold is why events cannot be shown: who may see path sets need not be
	// allowed to see events.
	untold error
}

func (p *plugin) tell(ctx context.Context, set *v1alpha1.NVMePathSet) (story, error) {
	s := story{set: set}
	c, err := p.connect()
	if err != nil {
		return s, err
	}
	var remediations v1alpha1.NVMePathRemediationList
	if err := c.List(ctx, &remediations, client.MatchingFields{"spec.pathSet": set.Name}); err != nil {
		return s, err
	}
	s.remediations = remediations.Items
	slices.SortStableFunc(s.remediations, func(a, b v1alpha1.NVMePathRemediation) int {
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	var events corev1.EventList
	s.untold = c.List(ctx, &events, client.MatchingFields{"involvedObject.uid": string(set.UID)})
	s.events = events.Items
	slices.SortStableFunc(s.events, func(a, b corev1.Event) int { return happened(&a).Compare(happened(&b).Time) })
	return s, nil
}

// happened is when an event was last seen.
func happened(e *corev1.Event) *metav1.Time {
	switch {
	case e.Series != nil:
		return &metav1.Time{Time: e.Series.LastObservedTime.Time}
	case !e.LastTimestamp.IsZero():
		return &e.LastTimestamp
	}
	return &metav1.Time{Time: e.EventTime.Time}
}

func (p *page) describe(s story) {
	spec, status := &s.set.Spec, &s.set.Status
	p.fields([][2]string{
		{"Volume", volume(s.set)},
		{"Node", spec.NodeName},
		{"Path set", s.set.Name},
		{"PersistentVolume", spec.PersistentVolumeName},
		{"Volume handle", spec.VolumeHandle},
		{"Subsystem", spec.SubsystemNQN},
		{"Namespace", spec.NamespaceID.Type + " " + spec.NamespaceID.Value},
		{"Host NQN", status.HostNQN},
		{"Device", strings.Join(present(status.Device, status.DeviceState, status.IOPolicy, status.Engine), ", ")},
		{"Paths", verdict(s.set)},
		{"Counters read", p.ago(status.CountersObservedAt)},
		{"Last reset", p.lastReset(status.LastReset)},
	})
	p.line("Conditions:")
	var rows [][]string
	for _, c := range status.Conditions {
		rows = append(rows, []string{c.Type, string(c.Status), c.Reason, p.age(&c.LastTransitionTime), c.Message})
	}
	p.table("  ", "TYPE\tSTATUS\tREASON\tSINCE\tMESSAGE", rows)
	p.line("Paths:")
	p.paths(s.set)
	p.remediations(s.remediations)
	p.events(s.events, s.untold)
}

func (p *page) lastReset(r *v1alpha1.ResetRecord) string {
	if r == nil {
		return ""
	}
	return p.ago(&r.Time) + " by " + r.By + ": " + r.Reason
}

func (p *page) remediations(all []v1alpha1.NVMePathRemediation) {
	if len(all) == 0 {
		p.line("Remediations: none")
		return
	}
	p.line("Remediations:")
	var rows [][]string
	for i := range all {
		r := &all[i]
		rows = append(rows, []string{r.Name, actionNames(r.Spec.Actions), r.Spec.RequestedBy, outcome(r).Reason, p.age(&r.CreationTimestamp), r.Spec.Reason})
	}
	p.table("  ", "NAME\tACTIONS\tREQUESTED BY\tOUTCOME\tAGE\tWHY", rows)
}

func (p *page) events(all []corev1.Event, untold error) {
	switch {
	case untold != nil:
		p.line("Events: %v", untold)
		return
	case len(all) == 0:
		p.line("Events: none")
		return
	}
	p.line("Events:")
	var rows [][]string
	for i := range all {
		rows = append(rows, []string{p.age(happened(&all[i])), all[i].Type, all[i].Reason, all[i].Message})
	}
	p.table("  ", "LAST SEEN\tTYPE\tREASON\tMESSAGE", rows)
}

// present are those words that there are.
func present(words ...string) []string {
	return slices.DeleteFunc(words, func(w string) bool { return w == "" })
}
