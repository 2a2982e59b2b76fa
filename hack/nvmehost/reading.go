package nvmehost

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
)

// Reading is what sysfs says of a namespace's head and paths at one moment.
type Reading struct {
	Head       Head
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
	r := Reading{Head: h, Ways: map[netip.AddrPort]Way{}}
	if r.HeadCounts, err = counts(h.Counter, Requeues, Failures); err != nil {
		return Reading{}, err
	}
	paths, err := h.Paths()
	if err != nil {
		return Reading{}, err
	}
	for _, p := range paths {
		w, addr, err := readWay(p)
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

func readWay(p Path) (w Way, addr netip.AddrPort, err error) {
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
	if w.Counts, err = counts(p.Counter, Failovers, Retries, Errors); err != nil {
		return w, addr, err
	}
	w.ControllerCounts, err = counts(p.Controller.Counter, Resets, Reconnects, Errors)
	return w, addr, err
}

func counts(read func(string) (uint64, error), names ...string) (map[string]uint64, error) {
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
