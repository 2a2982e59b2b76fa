// Package blockdev makes block devices in memory for the namespaces of a test
// target.
package blockdev

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/braid-csi/braid/hack/configfs"
)

// Null is a null_blk device: data in memory, each command as slow as asked.
type Null struct {
	object configfs.Object
	device string
}

// NullConfig describes a null_blk device.
type NullConfig struct {
	Name   string
	SizeMB int
	// Delay is how long every command takes. It keeps I/O in flight, without
	// which cutting a path fails nothing over.
	Delay time.Duration
}

// NewNull creates a null_blk device and powers it on.
func NewNull(cfg NullConfig) (*Null, error) {
	// Without nr_devices=0 the module makes a nullb0 nobody asked for.
	if err := configfs.Modprobe("null_blk", "nr_devices=0"); err != nil {
		return nil, err
	}
	n := &Null{object: configfs.Object(configfs.Root).Child("nullb", cfg.Name)}
	if err := n.object.Make(); err != nil {
		return nil, fmt.Errorf("null_blk: %w", err)
	}
	if err := n.configure(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("null_blk %s: %w", cfg.Name, err), n.Remove())
	}
	return n, nil
}

func (n *Null) configure(cfg NullConfig) error {
	type setting struct {
		attribute string
		value     any
	}
	settings := []setting{{"memory_backed", 1}, {"size", cfg.SizeMB}, {"blocksize", 512}, {"hw_queue_depth", 256}, {"submit_queues", 2}}
	if cfg.Delay > 0 {
		const timer = 2
		settings = append(settings, setting{"irqmode", timer}, setting{"completion_nsec", cfg.Delay.Nanoseconds()})
	} else {
		settings = append(settings, setting{"irqmode", 0})
	}
	for _, s := range append(settings, setting{"power", 1}) {
		if err := n.object.Set(s.attribute, s.value); err != nil {
			return err
		}
	}
	index, err := n.object.Get("index")
	if err != nil {
		return err
	}
	// Up to 6.1 the device is called after its index, later after its folder.
	for _, device := range []string{"/dev/" + cfg.Name, "/dev/nullb" + index} {
		if _, err := os.Stat(device); err == nil {
			n.device = device
			return nil
		}
	}
	return fmt.Errorf("no device node, index %s", index)
}

// Device is the device node.
func (n *Null) Device() string { return n.device }

// Remove powers the device off and destroys it.
func (n *Null) Remove() error {
	if err := n.object.Remove(); err != nil {
		return fmt.Errorf("null_blk: %w", err)
	}
	return nil
}
