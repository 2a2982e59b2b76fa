package health_test

import (
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// start is when every test's clock begins.
var start = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

// set returns a staged volume with these paths, as the multipath layer would.
func set(paths ...multipath.Path) *multipath.PathSet {
	s := &multipath.PathSet{
		VolumeID:  "vol-1",
		Namespace: nvme.NamespaceID{Type: nvme.UUID, Value: "0c7f6c62-2f0e-4d0c-9c2a-2f1f6d7a0001"},
		Device:    multipath.Device{State: multipath.DevicePresent, Name: "nvme0n1"},
		Paths:     paths,
	}
	for _, p := range paths {
		if p.Expected {
			s.Expected++
		}
	}
	return s
}

// device returns the set with its device in that state.
func device(s *multipath.PathSet, state multipath.DeviceState) *multipath.PathSet {
	s.Device.State = state
	return s
}

// path returns an expected path to 192.0.2.n through controller nvme<n>.
func path(n int, state nvme.ControllerState, ana nvme.ANAState) multipath.Path {
	digit := string(rune('0' + n))
	return multipath.Path{
		Address:    nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: "192.0.2." + digit, TrSvcID: nvme.DefaultTrSvcID},
		Expected:   true,
		Name:       "nvme0c" + digit + "n1",
		Controller: "nvme" + digit,
		State:      state,
		ANAState:   ana,
	}
}

func live(n int) multipath.Path { return path(n, nvme.StateLive, nvme.ANAOptimized) }

func connecting(n int) multipath.Path { return path(n, nvme.StateConnecting, nvme.ANAOptimized) }

// missing is a path without a controller; err says why connecting it failed.
func missing(n int, err string) multipath.Path {
	p := path(n, nvme.StateAbsent, nvme.ANANone)
	p.Name, p.Controller, p.ConnectError = "", "", err
	return p
}

// nameless is a path whose controller does not have the namespace.
func nameless(p multipath.Path) multipath.Path {
	p.Name, p.ANAState = "", nvme.ANANone
	return p
}

// known returns the path as the ledger last sampled it and saw it go down,
// each that many seconds after start.
func known(p multipath.Path, sampled, lost int) multipath.Path {
	p.Record = ledger.Record{
		LastSample: start.Add(time.Duration(sampled) * time.Second),
		LastEvent:  start.Add(time.Duration(lost) * time.Second),
	}
	return p
}

func unexpected(p multipath.Path) multipath.Path {
	p.Expected = false
	return p
}

// probed is a path that carries no I/O and was asked whether it could.
func probed(p multipath.Path, problem string) multipath.Path {
	p.Probe = &multipath.Probe{At: start, Problem: problem}
	return p
}

func through(iface string, p multipath.Path) multipath.Path {
	p.Address.HostIface = iface
	return p
}

// routed is a path that left from one local address at first and does so from
// another one now.
func routed(first, now string, p multipath.Path) multipath.Path {
	p.FirstSrcAddr, p.SrcAddr = first, now
	return p
}

// resting is a path whose address is under maintenance.
func resting(p multipath.Path) multipath.Path {
	p.Maintenance = &multipath.Maintenance{Reason: "new switch"}
	return p
}

func benched(p multipath.Path) multipath.Path {
	p.BenchedUntil = start.Add(time.Hour)
	return p
}

// episodes returns the path with failover episodes that many minutes ago.
func episodes(p multipath.Path, minutesAgo ...int) multipath.Path {
	p.Record.Episodes = before(minutesAgo)
	return p
}

// resets does the same for the path's controller.
func resets(p multipath.Path, minutesAgo ...int) multipath.Path {
	p.ControllerRecord.Episodes = before(minutesAgo)
	return p
}

func before(minutes []int) []time.Time {
	var at []time.Time
	for _, m := range minutes {
		at = append(at, start.Add(-time.Duration(m)*time.Minute))
	}
	return at
}
