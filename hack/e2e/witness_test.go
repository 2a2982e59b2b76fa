package e2e

import (
	"errors"
	"fmt"
	"testing"

	"github.com/braid-csi/braid/hack/guest"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/pkg/multipath/native"
	"github.com/braid-csi/braid/pkg/multipath/native/bpf"
)

// witnesses count failovers side by side: Braid's program by either hook, the
// kernel's tracer, and on kernels that have it the kernel's attribute.
type witnesses struct {
	kernel nvmehost.Features
	bpf    []*bpf.Failovers
	probe  nvmehost.Probe
}

func newWitnesses(t *testing.T) *witnesses {
	t.Helper()
	var w witnesses
	var err error
	w.kernel, err = nvmehost.Kernel()
	must(t, err)
	cleanup(t, func() error { return guest.Alone(w.close) })
	must(t, guest.Alone(w.open))
	return &w
}

func (w *witnesses) open() (err error) {
	for _, hook := range []bpf.Hook{bpf.Fentry, bpf.Kprobe} {
		f, err := bpf.AttachBy(hook)
		if err != nil {
			return err
		}
		w.bpf = append(w.bpf, f)
	}
	w.probe, err = nvmehost.ProbeCalls(nvmehost.FailoverFunction)
	return err
}

func (w *witnesses) close() error {
	err := w.probe.Close()
	for _, f := range w.bpf {
		err = errors.Join(err, f.Close())
	}
	return err
}

// failovers is how many there were from each of the paths, on which all
// witnesses must agree. They do once the requests that are failing over right
// now are done with it.
func (w *witnesses) failovers(paths ...nvmehost.Path) ([]uint64, error) {
	hits, missed, err := w.probe.Counts()
	if err != nil {
		return nil, err
	}
	if missed != 0 {
		return nil, fmt.Errorf("the kernel's tracer missed %d", missed)
	}
	var counts []uint64
	var differ []error
	for _, f := range w.bpf {
		got, total, err := onPaths(f, paths)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Hook(), err)
		}
		if total != hits {
			differ = append(differ, fmt.Errorf("%s counted %d on all paths, the kernel's tracer %d", f.Hook(), total, hits))
		}
		if counts == nil {
			counts = got
		}
		for i, p := range paths {
			if got[i] != counts[i] {
				differ = append(differ, fmt.Errorf("%s: %s counted %d, %s %d", p, f.Hook(), got[i], w.bpf[0].Hook(), counts[i]))
			}
		}
	}
	for i, p := range paths {
		if !w.kernel.Counters {
			break
		}
		n, err := p.Counter(nvmehost.Failovers)
		if err != nil {
			return nil, err
		}
		if n != counts[i] {
			differ = append(differ, fmt.Errorf("%s: BPF counted %d, the kernel's attribute %d", p, counts[i], n))
		}
	}
	return counts, errors.Join(differ...)
}

// onPaths is what a program counted on the paths, and on all there were.
func onPaths(f native.KernelCounter, paths []nvmehost.Path) (counts []uint64, total uint64, err error) {
	missed, err := f.Missed()
	if err != nil {
		return nil, 0, err
	}
	if missed != 0 {
		return nil, 0, fmt.Errorf("%d missed", missed)
	}
	all, err := f.Counts()
	if err != nil {
		return nil, 0, err
	}
	for _, n := range all {
		total += n
	}
	for _, p := range paths {
		seq, err := p.DiskSeq()
		if err != nil {
			return nil, 0, err
		}
		counts = append(counts, all[seq])
	}
	return counts, total, nil
}
