// Package nvmet drives the Linux NVMe target through configfs: subsystems,
// namespaces, ports and ANA states, each of which is also a fault to inject.
//
//	target ── subsystem ── namespace (device, ANA group)
//	   └──── port (TCP address, state of each ANA group)
//	            └── link: the port serves the subsystem
package nvmet

import (
	"errors"
	"fmt"
	"slices"

	"github.com/braid-csi/braid/hack/configfs"
)

// Target is the one target of this kernel.
type Target struct {
	root configfs.Object
	// listen runs what creates or closes a listening socket.
	listen     func(func() error) error
	subsystems []*Subsystem
	ports      []*Port
}

// Option changes how a target works.
type Option func(*Target)

// ListenIn makes the ports listen in another network namespace: the kernel
// creates a listener in the namespace of the thread that links a subsystem to
// its port, so do must run its function on such a thread.
func ListenIn(do func(func() error) error) Option {
	return func(t *Target) { t.listen = do }
}

// Open loads the target's modules.
func Open(options ...Option) (*Target, error) {
	if err := configfs.Modprobe("-a", "nvmet", "nvmet-tcp"); err != nil {
		return nil, fmt.Errorf("nvmet: %w", err)
	}
	t := &Target{
		root:   configfs.Object(configfs.Root).Child("nvmet"),
		listen: func(f func() error) error { return f() },
	}
	for _, o := range options {
		o(t)
	}
	return t, nil
}

// Remove takes down everything made through t, in the order the kernel wants:
// links, ports, namespaces, subsystems. It goes on after an error.
func (t *Target) Remove() error {
	var errs []error
	for _, p := range slices.Backward(t.ports) {
		errs = append(errs, p.remove())
	}
	for _, s := range slices.Backward(t.subsystems) {
		errs = append(errs, s.remove())
	}
	t.ports, t.subsystems = nil, nil
	return errors.Join(errs...)
}

// set applies attributes in order, skipping what was left at its zero value.
func set(o configfs.Object, settings ...setting) error {
	for _, s := range settings {
		if s.skip {
			continue
		}
		if err := o.Set(s.attribute, s.value); err != nil {
			return err
		}
	}
	return nil
}

type setting struct {
	attribute string
	value     any
	skip      bool
}
