package nvmehost

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
)

// Reading is what sysfs says of a namespace's head and paths at one moment.
type Reading struct {
	Head Head
	// Counted tells whether the kernel counts at all; without that there are
	// no counts, which is not the same as zeros.
	Counted    bool
	HeadCounts map[string]uint64
	Ways       map[netip.AddrPort]Way
}

// Way is a path with the controller it goes through.
type Way struct {
	Path             Path
	Controller       Controller
	State, ANAState  string
	Counts           map[string]uint64 // the path's
	ControllerCounts map[string]uint64
}

// Read reads everything about the namespace with that UUID. A path whose
// controller vanishes meanwhile is left out.
func Read(uuid string) (Reading, error) {
	h, err := FindHead(uuid)
	if err != nil {
		return Reading{}, err
	}
	if h.name == "" {
		return Reading{}, fmt.Errorf("no head has the namespace %s", uuid)
	}
	has, err := Kernel()
	if err != nil {
		return Reading{}, err
	}
	r := Reading{Head: h, Counted: has.Counters, Ways: map[netip.AddrPort]Way{}}
	if r.HeadCounts, err = has.counts(h.Counter, Requeues, Failures); err != nil {
		return Reading{}, err
	}
	paths, err := h.Paths()
	if err != nil {
		return Reading{}, err
	}
	for _, p := range paths {
		w, addr, err := readWay(p, has)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Reading{}, err
		}
		r.Ways[addr] = w
	}
	return r, nil
}

func readWay(p Path, has Features) (w Way, addr netip.AddrPort, err error) {
	w = Way{Path: p, Controller: p.Controller}
	if addr, err = p.Controller.Addr(); err != nil {
		return w, addr, err
	}
	if w.State, err = p.Controller.State(); err != nil {
		return w, addr, err
	}
	if w.ANAState, err = p.ANAState(); err != nil {
		return w, addr, err
	}
	if w.Counts, err = has.counts(p.Counter, Failovers, Retries, Errors); err != nil {
		return w, addr, err
	}
	w.ControllerCounts, err = has.counts(p.Controller.Counter, Resets, Reconnects, Errors)
	return w, addr, err
}

// counts reads counters, or none if the kernel has none.
func (f Features) counts(read func(string) (uint64, error), names ...string) (map[string]uint64, error) {
	if !f.Counters {
		return nil, nil
	}
	all := map[string]uint64{}
	for _, name := range names {
		n, err := read(name)
		if err != nil {
			return nil, err
		}
		all[name] = n
	}
	return all, nil
}
