package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

const (
	subsystemClass  = "class/nvme-subsystem"
	controllerClass = "class/nvme"
	sectorSize      = 512 // the unit of size in sysfs, whatever the disk's own
)

// Observe scans sysfs once. It waits for no device and skips what vanishes
// meanwhile; any other failure is an error, because a scan that saw half of
// the node must not be taken for the node.
func (e *Engine) Observe(ctx context.Context) (*multipath.Observation, error) {
	e.failovers.begin(ctx, e.attr.root)
	obs := &multipath.Observation{At: e.now()}
	names, err := e.list(subsystemClass)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s, err := e.scanSubsystem(name)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("scan %s: %w", name, err)
		}
		if len(s.Controllers) > 0 {
			obs.Subsystems = append(obs.Subsystems, *s)
		}
	}
	if err := e.failovers.enter(obs, e.bootID); err != nil {
		return nil, err
	}
	if err := e.resets.enter(ctx, obs, e.bootID); err != nil {
		return nil, err
	}
	e.sockets.enter(obs, e.queues)
	e.attr.endScan()
	e.stalls.see(obs)
	return obs, nil
}

// list returns the sorted names in a directory of sysfs; a class that does
// not exist, because its module is not loaded, has none.
func (e *Engine) list(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(e.attr.root, dir))
	if err != nil {
		if err := readError(dir, errors.Unwrap(err)); !errors.Is(err, errGone) {
			return nil, err
		}
		return nil, nil
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, nil
}

func (e *Engine) scanSubsystem(name string) (*multipath.Subsystem, error) {
	dir := filepath.Join(subsystemClass, name)
	nqn, err := e.attr.read(dir, "subsysnqn")
	if err != nil {
		return nil, err
	}
	s := &multipath.Subsystem{Name: name, NQN: nvme.NQN(nqn)}
	// Kernels without native multipathing have no such attribute.
	if p, err := e.attr.reread(dir, "iopolicy"); err == nil {
		s.IOPolicy = nvme.IOPolicy(p)
	} else if !errors.Is(err, errGone) {
		return nil, err
	}
	entries, err := e.list(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if err := e.scanEntry(s, entry); err != nil && !errors.Is(err, errGone) {
			return nil, err
		}
	}
	for _, c := range s.Controllers {
		if err := e.scanPaths(s, c.Name); err != nil && !errors.Is(err, errGone) {
			return nil, err
		}
	}
	return s, nil
}

// scanEntry adds a controller or a head of the subsystem, told by its name.
func (e *Engine) scanEntry(s *multipath.Subsystem, entry string) error {
	switch kind(entry) {
	case kindController:
		c, err := e.scanController(entry)
		if err == nil && c != nil {
			s.Controllers = append(s.Controllers, *c)
		}
		return err
	case kindHead:
		h, err := e.scanHead(filepath.Join(subsystemClass, s.Name, entry), entry)
		if err == nil {
			s.Heads = append(s.Heads, *h)
		}
		return err
	}
	return nil
}

// scanController returns nil for a controller that is not on a fabric.
func (e *Engine) scanController(name string) (*multipath.Controller, error) {
	dir := filepath.Join(controllerClass, name)
	transport, err := e.attr.read(dir, "transport")
	if err != nil || transport == "pcie" || transport == "apple-nvme" {
		return nil, err
	}
	c := &multipath.Controller{Name: name}
	state, err := e.attr.reread(dir, "state")
	if err != nil {
		return nil, err
	}
	c.State = nvme.ParseControllerState(state)
	address, err := e.attr.reread(dir, "address")
	if err != nil {
		return nil, err
	}
	if c.Address, c.SrcAddr, err = nvme.ParseSysfsAddress(nvme.Transport(transport), address); err != nil {
		// A transport without addresses (loop) is somebody else's business.
		return nil, nil //nolint:nilerr // not an error of the scan
	}
	hostNQN, err := e.optional(dir, "hostnqn")
	if err != nil {
		return nil, err
	}
	c.HostNQN = nvme.NQN(hostNQN)
	if c.HostID, err = e.optional(dir, "hostid"); err != nil {
		return nil, err
	}
	if c.Epoch, err = e.controllerEpoch(name); err != nil {
		return nil, err
	}
	if c.Owner, err = e.registry.owner(name, c.Epoch); err != nil {
		return nil, err
	}
	c.Counters, _, err = e.attr.counters(dir, controllerCounters)
	return c, err
}

func (e *Engine) scanHead(dir, name string) (*multipath.Head, error) {
	h := &multipath.Head{Name: name, Device: filepath.Join(e.dev, name)}
	var err error
	if h.DevNum, err = e.attr.read(dir, "dev"); err != nil {
		return nil, err
	}
	if h.SizeBytes, err = e.size(dir); err != nil {
		return nil, err
	}
	if nsid, err := e.attr.read(dir, "nsid"); err == nil {
		n, err := strconv.ParseUint(nsid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%s: nsid: %w", name, err)
		}
		h.NSID = uint32(n)
	}
	if h.IDs, err = e.identifiers(dir); err != nil {
		return nil, err
	}
	if h.Epoch, err = e.diskEpoch(dir); err != nil {
		return nil, err
	}
	h.Counters, _, err = e.attr.counters(dir, headCounters)
	return h, err
}

// scanPaths adds a controller's paths to the heads of its subsystem. Names
// tell which belongs to which: the multipath links exist only from 6.15 on.
func (e *Engine) scanPaths(s *multipath.Subsystem, controller string) error {
	entries, err := e.list(filepath.Join(controllerClass, controller))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		head, ok := headOfPath(entry)
		if !ok {
			continue
		}
		i := slices.IndexFunc(s.Heads, func(h multipath.Head) bool { return h.Name == head })
		if i < 0 {
			continue // its head appears with the next scan
		}
		p, err := e.scanPath(filepath.Join(controllerClass, controller, entry), entry, controller)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return err
		}
		s.Heads[i].Paths = append(s.Heads[i].Paths, *p)
	}
	return nil
}

func (e *Engine) scanPath(dir, name, controller string) (*multipath.HeadPath, error) {
	p := &multipath.HeadPath{Name: name, Controller: controller, Source: nvme.SourceUnsupported}
	ana, err := e.attr.reread(dir, "ana_state")
	if err != nil && !errors.Is(err, errGone) { // absent without ANA
		return nil, err
	}
	p.ANAState = nvme.ParseANAState(ana)
	if group, err := e.attr.reread(dir, "ana_grpid"); err == nil {
		n, err := strconv.ParseUint(group, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%s: ana_grpid: %w", name, err)
		}
		p.ANAGroup = uint32(n)
	}
	if p.SizeBytes, err = e.size(dir); err != nil {
		return nil, err
	}
	if p.Epoch, err = e.diskEpoch(dir); err != nil {
		return nil, err
	}
	if p.Counters, p.Exact, err = e.attr.counters(dir, pathCounters); err != nil {
		return nil, err
	}
	if _, ok := p.Counters[nvme.Failovers]; ok {
		p.Source = nvme.SourceKernelAttribute
	}
	if p.IO, err = e.pathIO(dir); err != nil {
		return nil, err
	}
	p.IOTimeout, err = e.ioTimeout(dir)
	return p, err
}

// optional reads an attribute that not every controller has.
func (e *Engine) optional(dir, name string) (string, error) {
	s, err := e.attr.read(dir, name)
	if errors.Is(err, errGone) {
		return "", nil
	}
	return s, err
}

func (e *Engine) size(dir string) (int64, error) {
	s, err := e.attr.reread(dir, "size")
	if err != nil {
		return 0, err
	}
	sectors, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: size: %w", dir, err)
	}
	return sectors * sectorSize, nil
}

// identifiers reads a head's identifiers, best first. The uuid attribute is
// not asked: it shows the NGUID where there is no UUID, and logs that it does.
func (e *Engine) identifiers(dir string) ([]nvme.NamespaceID, error) {
	var ids []nvme.NamespaceID
	for _, a := range []struct {
		attribute, prefix string
		idType            nvme.IDType
	}{{"wwid", "uuid.", nvme.UUID}, {"nguid", "", nvme.NGUID}, {"eui", "", nvme.EUI64}} {
		s, err := e.optional(dir, a.attribute)
		if err != nil {
			return nil, err
		}
		value, ok := strings.CutPrefix(s, a.prefix)
		if !ok || value == "" {
			continue
		}
		// A target may report anything; what is no identifier identifies nothing.
		if id, err := nvme.ParseNamespaceID(a.idType, value); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (e *Engine) now() time.Time { return e.clock().UTC() }
