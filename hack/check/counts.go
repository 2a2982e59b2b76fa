// Package check holds what braid-node says against what the test bed reads in
// sysfs by itself. Scenarios and the demo use the same checks, and the negative
// controls prove that they can fail.
package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"

	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/pkg/admin"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// The kernel's names of what Braid counts.
var (
	pathCounters       = map[nvme.Counter]string{nvme.Failovers: nvmehost.Failovers, nvme.Retries: nvmehost.Retries, nvme.Errors: nvmehost.Errors}
	headCounters       = map[nvme.Counter]string{nvme.Requeues: nvmehost.Requeues, nvme.Failures: nvmehost.Failures}
	controllerCounters = map[nvme.Counter]string{nvme.Resets: nvmehost.Resets, nvme.Reconnects: nvmehost.Reconnects, nvme.AdminErrors: nvmehost.Errors}
)

// View is both accounts of one volume.
type View struct {
	Report  admin.Volume
	Reading nvmehost.Reading
}

// Path is what braid-node says of the path to an address.
func (v View) Path(addr netip.AddrPort) (admin.Path, error) { return PathOf(v.Report, addr) }

// PathOf is what a report says of the path to an address.
func PathOf(report admin.Volume, addr netip.AddrPort) (admin.Path, error) {
	for _, p := range report.Paths {
		if p.Address.Address() == addr.String() {
			return p, nil
		}
	}
	return admin.Path{}, fmt.Errorf("braid-node reports no path to %s", addr)
}

// Counts wants every count of braid-node's since the last reset to be the
// kernel's. That holds as long as nothing but braid-node set a counter and no
// path was made anew. Of a kernel that does not count braid-node must say so,
// and nothing else.
func Counts(v View) error {
	if !v.Reading.Counted {
		return uncounted(v.Report)
	}
	var errs []error
	differ := func(what string, have ledger.Tallies, names map[nvme.Counter]string, want map[string]uint64, value func(ledger.Tally) uint64) {
		for c, name := range names {
			tally, ok := have[c]
			if got := value(tally); !ok || got != want[name] {
				errs = append(errs, fmt.Errorf("%s, %s: braid-node has %d (counted: %t), sysfs %d", what, c, got, ok, want[name]))
			}
		}
	}
	sinceReset := func(t ledger.Tally) uint64 { return t.SinceReset }
	raw := func(t ledger.Tally) uint64 { return t.Raw }

	differ("head", v.Report.Head, headCounters, v.Reading.HeadCounts, sinceReset)
	for addr, way := range v.Reading.Ways {
		p, err := v.Path(addr)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if p.CounterSource != nvme.SourceKernelAttribute && p.CounterSource != nvme.SourceBoth {
			errs = append(errs, fmt.Errorf("path %s: counts come from %s", addr, p.CounterSource))
		}
		differ("path "+addr.String(), p.Counts, pathCounters, way.Counts, sinceReset)
		// Volumes share controllers, so nobody ever resets those.
		differ("controller of "+addr.String(), p.ControllerCounts, controllerCounters, way.ControllerCounts, raw)
	}
	return errors.Join(errs...)
}

// uncounted wants a report to say that nothing is counted, rather than zeros.
func uncounted(report admin.Volume) error {
	var errs []error
	if len(report.Head) > 0 {
		errs = append(errs, fmt.Errorf("head: braid-node counts %v, the kernel does not", report.Head))
	}
	for _, p := range report.Paths {
		if p.CounterSource != nvme.SourceUnsupported || len(p.Counts)+len(p.ControllerCounts) > 0 {
			errs = append(errs, fmt.Errorf("path %s: braid-node has %v and %v from %s, the kernel does not count",
				p.Address.Address(), p.Counts, p.ControllerCounts, p.CounterSource))
		}
	}
	return errors.Join(errs...)
}

// Zeroed wants every counter that a reset zeroes to read 0 in sysfs.
func Zeroed(r nvmehost.Reading) error {
	all := map[string]map[string]uint64{r.Head.String(): r.HeadCounts}
	for _, w := range r.Ways {
		all[w.Path.String()] = w.Counts
	}
	var errs []error
	for of, counts := range all {
		for name, n := range counts {
			if n != 0 {
				errs = append(errs, fmt.Errorf("%s of %s reads %d", name, of, n))
			}
		}
	}
	return errors.Join(errs...)
}

// Settled waits until braid-node has seen all there is: until both accounts
// agree, with sysfs the same before and after braid-node was asked.
func Settled(ctx context.Context, n *node.Node, v node.Volume) (View, error) {
	var view View
	var last error
	err := poll.Until(ctx, "braid-node's counts to be the kernel's", func() (bool, error) {
		var err error
		view, err = Look(ctx, n, v)
		if errors.Is(err, errMoving) {
			last = err
			return false, nil
		}
		if err != nil {
			return false, err
		}
		last = Counts(view)
		return last == nil, nil
	})
	return view, errors.Join(err, last)
}

var errMoving = errors.New("sysfs changed meanwhile")

// Look takes both accounts of a volume.
func Look(ctx context.Context, n *node.Node, v node.Volume) (View, error) {
	uuid := v.Context["namespaceUUID"]
	before, err := nvmehost.Read(uuid)
	if err != nil {
		return View{}, err
	}
	report, err := n.Paths(ctx, v)
	if err != nil {
		return View{}, err
	}
	after, err := nvmehost.Read(uuid)
	if err != nil {
		return View{}, err
	}
	if !reflect.DeepEqual(before, after) {
		return View{}, errMoving
	}
	return View{report, after}, nil
}
