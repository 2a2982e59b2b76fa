package agent

import (
	"cmp"
	"context"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/remediation"
)

// sweepInterval is the time between two looks for records that are too many or
// too old.
const sweepInterval = time.Minute

// sweep removes records that a policy asked for and that are over, where there
// are too many of a path set or they are too old. What back-off and the limit of
// attempts go by stays: forgetting that would be trying for ever.
func (w *steward) sweep(ctx context.Context, snap *multipath.Snapshot, records []v1alpha1.NVMePathRemediation) error {
	now := w.now()
	if now.Sub(w.swept) < sweepInterval {
		return nil
	}
	byName := map[string]rules{}
	for i := range snap.PathSets {
		r, known := w.policies.forSet(&snap.PathSets[i])
		if !known {
			return nil
		}
		byName[Name(w.node, snap.PathSets[i].VolumeID)] = r
	}
	for name, all := range finished(records) {
		r, staged := byName[name]
		if !staged {
			r = rules{remediation: remediation.DefaultPolicy(), records: recordLimit{defaultRecords, defaultTTL}}
		}
		for i := range superfluous(all, r, now) {
			if err := w.remove(ctx, &all[i]); err != nil {
				return err
			}
		}
	}
	w.swept = now
	return nil
}

// finished are the records of policies that are over, by their path sets, the
// oldest first.
func finished(records []v1alpha1.NVMePathRemediation) map[string][]v1alpha1.NVMePathRemediation {
	all := map[string][]v1alpha1.NVMePathRemediation{}
	for _, r := range records {
		if r.Spec.PolicyName != "" && over(&r) && r.Status.CompletionTime != nil && r.DeletionTimestamp == nil {
			all[r.Spec.PathSet] = append(all[r.Spec.PathSet], r)
		}
	}
	for _, list := range all {
		slices.SortFunc(list, func(a, b v1alpha1.NVMePathRemediation) int {
			return cmp.Or(a.Status.CompletionTime.Compare(b.Status.CompletionTime.Time), cmp.Compare(a.Name, b.Name))
		})
	}
	return all
}

// superfluous is how many of a path set's finished records, oldest first, are
// not to be kept.
func superfluous(all []v1alpha1.NVMePathRemediation, r rules, now time.Time) int {
	for i := range all {
		age := now.Sub(all[i].Status.CompletionTime.Time)
		if tooMany, tooOld := len(all)-i > r.records.max, age > r.records.ttl; !tooMany && !tooOld || age <= r.remediation.Window {
			return i
		}
	}
	return len(all)
}

// remove deletes one record, and none that was made anew under its name.
func (w *steward) remove(ctx context.Context, r *v1alpha1.NVMePathRemediation) error {
	return client.IgnoreNotFound(request(ctx, func(ctx context.Context) error {
		return w.api.Delete(ctx, r, client.Preconditions{UID: &r.UID})
	}))
}
