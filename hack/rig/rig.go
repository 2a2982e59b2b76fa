// Package rig puts the pieces of the test bed together the way most scenarios
// want them: a storage network, one subsystem with namespaces in memory, and a
// port on each path.
package rig

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/braid-csi/braid/hack/blockdev"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/nvmet"
	"github.com/braid-csi/braid/hack/storagenet"
)

// TCPPort is where every port of the target listens.
const TCPPort = 4420

// Config describes a rig.
type Config struct {
	NQN   string
	Paths int
	// Namespaces get the NSIDs 1, 2, ...
	Namespaces []Namespace
}

// Namespace describes a namespace backed by null_blk, or by a loop device if
// it is to grow.
type Namespace struct {
	UUID   string
	SizeMB int
	// Delay is how long every command takes; null_blk only.
	Delay time.Duration
	// Growable makes Grow work.
	Growable bool
	// Suspendable makes Suspend work.
	Suspendable bool
	// ANAGroup other than 1 is inaccessible until a port says otherwise.
	ANAGroup uint32
}

// Rig is a target that is ready to be connected to. Ports and network paths
// have the same index, and namespaces the one of their description.
type Rig struct {
	Net        *storagenet.Network
	Target     *nvmet.Target
	Subsystem  *nvmet.Subsystem
	Namespaces []*nvmet.Namespace
	Ports      []*nvmet.Port

	controllers []nvmehost.Controller
	devices     []device
	lastPort    uint16 // that there was
	// decoy is what a port serves that refuses the subsystem; nil before the
	// first does.
	decoy *nvmet.Subsystem
}

// device is what a namespace is backed by.
type device interface {
	Device() string
	Remove() error
}

// New builds a rig. Close takes it down.
func New(cfg Config) (*Rig, error) {
	r := &Rig{}
	if err := r.build(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("test rig: %w", err), r.Close())
	}
	return r, nil
}

func (r *Rig) build(cfg Config) (err error) {
	if r.Net, err = storagenet.New(cfg.Paths); err != nil {
		return err
	}
	if r.Target, err = nvmet.Open(nvmet.ListenIn(r.Net.Do)); err != nil {
		return err
	}
	if r.Subsystem, err = r.Target.NewSubsystem(nvmet.SubsystemConfig{NQN: cfg.NQN}); err != nil {
		return err
	}
	for _, n := range cfg.Namespaces {
		if err := r.addNamespace(n); err != nil {
			return err
		}
	}
	for i := range cfg.Paths {
		port, err := r.newPort(i)
		if err != nil {
			return err
		}
		r.Ports = append(r.Ports, port)
	}
	return nil
}

// newPort has the target serve at a path's address.
func (r *Rig) newPort(path int) (*nvmet.Port, error) {
	r.lastPort++
	port, err := r.Target.NewPort(r.lastPort, r.Addr(path))
	if err != nil {
		return nil, err
	}
	return port, port.Link(r.Subsystem)
}

// addNamespace gives the subsystem one more namespace, with the next NSID.
func (r *Rig) addNamespace(n Namespace) error {
	nsid := uint32(len(r.devices) + 1)
	device, err := newDevice(nsid, n)
	if err != nil {
		return err
	}
	r.devices = append(r.devices, device)
	namespace, err := r.Subsystem.NewNamespace(nvmet.NamespaceConfig{
		NSID: nsid, Device: device.Device(), UUID: n.UUID, ANAGroup: n.ANAGroup,
	})
	if err != nil {
		return err
	}
	r.Namespaces = append(r.Namespaces, namespace)
	return nil
}

func newDevice(nsid uint32, n Namespace) (device, error) {
	if n.Growable {
		return blockdev.NewLoop(int64(n.SizeMB) << 20)
	}
	name := fmt.Sprintf("rig%d", nsid)
	null, err := blockdev.NewNull(blockdev.NullConfig{Name: name, SizeMB: n.SizeMB, Delay: n.Delay})
	if err != nil || !n.Suspendable {
		return null, err
	}
	mapped, err := blockdev.NewMapped(name, null.Device(), int64(n.SizeMB)<<20)
	if err != nil {
		return nil, errors.Join(err, null.Remove())
	}
	return suspendable{mapped, null}, nil
}

// suspendable is a device with the one under it.
type suspendable struct {
	*blockdev.Mapped
	under *blockdev.Null
}

func (s suspendable) Remove() error { return errors.Join(s.Mapped.Remove(), s.under.Remove()) }

// Suspend makes what is asked of a namespace wait, on whichever path it comes.
func (r *Rig) Suspend(namespace int) error {
	d, ok := r.devices[namespace].(suspendable)
	if !ok {
		return fmt.Errorf("test rig: %s cannot be suspended", r.Device(namespace))
	}
	return d.Suspend()
}

// Resume undoes Suspend.
func (r *Rig) Resume(namespace int) error {
	d, ok := r.devices[namespace].(suspendable)
	if !ok {
		return fmt.Errorf("test rig: %s cannot be suspended", r.Device(namespace))
	}
	return d.Resume()
}

// Device is the target's device behind a namespace.
func (r *Rig) Device(namespace int) string { return r.devices[namespace].Device() }

// Grow makes a namespace larger and has the target tell its hosts.
func (r *Rig) Grow(namespace, sizeMB int) error {
	loop, ok := r.devices[namespace].(*blockdev.Loop)
	if !ok {
		return fmt.Errorf("test rig: %s cannot grow", r.Device(namespace))
	}
	if err := loop.Resize(int64(sizeMB) << 20); err != nil {
		return err
	}
	return r.Namespaces[namespace].RevalidateSize()
}

// Addrs are the target's addresses on all paths.
func (r *Rig) Addrs() []netip.AddrPort {
	var all []netip.AddrPort
	for i := range r.Net.Paths {
		all = append(all, r.Addr(i))
	}
	return all
}

// Addr is the target's address on a path.
func (r *Rig) Addr(path int) netip.AddrPort {
	return netip.AddrPortFrom(r.Net.Paths[path].Target, TCPPort)
}

// Connect connects over a path with the kernel's own interface. The options'
// NQN and address are filled in.
func (r *Rig) Connect(path int, o nvmehost.ConnectOptions) (nvmehost.Controller, error) {
	o.NQN, o.Addr = r.Subsystem.NQN, r.Addr(path)
	c, err := nvmehost.Connect(o)
	if err == nil {
		r.controllers = append(r.controllers, c)
	}
	return c, err
}

// Cut makes the target drop a path: its controllers end and its address
// refuses connections.
func (r *Rig) Cut(path int) error { return r.Ports[path].Unlink(r.Subsystem) }

// Repair undoes Cut.
func (r *Rig) Repair(path int) error { return r.Ports[path].Link(r.Subsystem) }

// Move has the target leave a path's address and serve at another one, as an array
// does that gets new addresses. The other ports refer to it, and Addr is the new one
// then.
func (r *Rig) Move(path int) error {
	if err := r.Cut(path); err != nil {
		return err
	}
	if err := r.Net.Paths[path].Move(); err != nil {
		return err
	}
	port, err := r.newPort(path)
	if err != nil {
		return err
	}
	r.Ports[path] = port
	for _, other := range r.Ports {
		if other != port {
			err = errors.Join(err, other.Refer(port))
		}
	}
	return err
}

// Close disconnects what Connect connected and takes everything down: hosts
// first, then the target, which holds the devices and its listeners open.
func (r *Rig) Close() error {
	var errs []error
	for _, c := range r.controllers {
		errs = append(errs, c.Disconnect())
	}
	if r.Target != nil {
		errs = append(errs, r.Target.Remove())
	}
	for _, d := range r.devices {
		errs = append(errs, d.Remove())
	}
	if r.Net != nil {
		errs = append(errs, r.Net.Close())
	}
	return errors.Join(errs...)
}
