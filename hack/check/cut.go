package check

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/pkg/admin"
	"github.com/braid-csi/braid/pkg/nvme"
)

// LeastFailovers is how many requests at least fail over when a path is cut
// that has 16 of them in flight: some may have completed already.
const LeastFailovers = 8

// PortCut wants what must be so once the target dropped one of two paths with
// I/O in flight: the path is down, at least LeastFailovers requests failed over
// from it and none from the survivor, and braid-node counted as the kernel did,
// if the kernel counts.
func PortCut(v View, cut, survivor netip.AddrPort) error {
	errs := []error{Usable(v, cut, false), Usable(v, survivor, true), Counts(v)}
	if !v.Reading.Counted {
		return errors.Join(errs...)
	}
	if n, err := v.Failovers(cut); err != nil || n < LeastFailovers {
		errs = append(errs, err, fmt.Errorf("%d failovers from %s, which was cut; want at least %d", n, cut, LeastFailovers))
	}
	if n, err := v.Failovers(survivor); err != nil || n != 0 {
		errs = append(errs, err, fmt.Errorf("%d failovers from %s, which was not cut", n, survivor))
	}
	return errors.Join(errs...)
}

// Usable wants braid-node to say that I/O can take the path, or that it cannot.
func Usable(v View, addr netip.AddrPort, want bool) error {
	p, err := v.Path(addr)
	if err == nil && p.Usable != want {
		err = fmt.Errorf("path %s is %s %s: usable %t, want %t", addr, p.State, p.ANAState, p.Usable, want)
	}
	return err
}

// Failovers is how many requests failed over from a path since the last reset,
// as braid-node says; 0 if the kernel does not count.
func (v View) Failovers(addr netip.AddrPort) (uint64, error) {
	p, err := v.Path(addr)
	if err != nil {
		return 0, err
	}
	t, ok := p.Counts[nvme.Failovers]
	if !ok && v.Reading.Counted {
		return 0, fmt.Errorf("path %s: braid-node does not count failovers", addr)
	}
	return t.SinceReset, nil
}

// KernelFailovers is the same as the kernel says.
func (v View) KernelFailovers(addr netip.AddrPort) uint64 {
	return v.Reading.Ways[addr].Counts[nvmehost.Failovers]
}

// Failovers tells whether braid-node has counted that many failovers from the
// paths since the last reset, and has them from the source. Fewer may become
// more, and more are wrong.
func Failovers(report admin.Volume, source nvme.CounterSource, paths []netip.AddrPort, want []uint64) (agree bool, said string, err error) {
	agree = true
	var all []string
	for i, addr := range paths {
		p, err := PathOf(report, addr)
		if err != nil {
			return false, "", err
		}
		n := p.Counts[nvme.Failovers].SinceReset
		if n > want[i] {
			return false, "", fmt.Errorf("%s: braid-node has %d failovers, there were %d", addr, n, want[i])
		}
		all = append(all, fmt.Sprintf("%d from %s", n, p.CounterSource))
		agree = agree && n == want[i] && p.CounterSource == source
	}
	return agree, strings.Join(all, ", "), nil
}
