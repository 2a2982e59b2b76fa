package check

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// PathSetCounts is Counts for what the API says: every count of paths and head
// since the last reset must be the kernel's. Those of controllers, which no
// reset of Braid's zeroes in the kernel, are left out.
func PathSetCounts(set v1alpha1.NVMePathSet, r nvmehost.Reading) error {
	errs := []error{
		sameCount("head, requeues", set.Status.Requeues, r.HeadCounts[nvmehost.Requeues]),
		sameCount("head, failures", set.Status.Failures, r.HeadCounts[nvmehost.Failures]),
	}
	var failovers uint64
	for addr, way := range r.Ways {
		p, err := PathTo(set, addr)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		failovers += way.Counts[nvmehost.Failovers]
		errs = append(errs,
			sameCount(p.Address+", failovers", p.Failovers, way.Counts[nvmehost.Failovers]),
			sameCount(p.Address+", retries", p.Retries, way.Counts[nvmehost.Retries]),
			sameCount(p.Address+", errors", p.Errors, way.Counts[nvmehost.Errors]),
		)
	}
	if n := set.Status.Failovers; n == nil || uint64(*n) != failovers {
		errs = append(errs, fmt.Errorf("failovers of all paths: the path set has %s, sysfs %d", number(n), failovers))
	}
	return errors.Join(errs...)
}

// PathTo is a path set's path to an address of the target.
func PathTo(set v1alpha1.NVMePathSet, addr netip.AddrPort) (v1alpha1.PathStatus, error) {
	for _, p := range set.Status.Paths {
		if p.Address == "tcp://"+addr.String() {
			return p, nil
		}
	}
	return v1alpha1.PathStatus{}, fmt.Errorf("the path set has no path to %s", addr)
}

func sameCount(what string, have *v1alpha1.Count, want uint64) error {
	switch {
	case have == nil:
		return fmt.Errorf("%s: the path set has no count, sysfs %d", what, want)
	case uint64(have.SinceReset) != want:
		return fmt.Errorf("%s: the path set has %d, sysfs %d", what, have.SinceReset, want)
	}
	return nil
}

func number(n *int64) string {
	if n == nil {
		return "none"
	}
	return fmt.Sprint(*n)
}
