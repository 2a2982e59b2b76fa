package multipath

import (
	"context"
	"fmt"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

// sizeWait is for how long a rescan may take to show a new size. The kernel
// scans in the background and gives no sign that it is done.
const sizeWait = 2 * time.Second

// Rescan makes the kernel read a volume's namespace anew on every live
// controller, so that a new size shows, and returns the device. devNum is the
// device that is staged; it is enough where the volume has no record. A size
// that stays is no error.
func (l *Layer) Rescan(ctx context.Context, volumeID, devNum string) (Device, error) {
	obs, err := l.engine.Observe(ctx)
	if err != nil {
		return Device{}, err
	}
	nqn, before := headOf(obs, devNum)
	if before == nil {
		return Device{}, fmt.Errorf("%w: volume %s: no NVMe device is %q", ErrNotStaged, volumeID, devNum)
	}
	l.rescan(ctx, obs.Subsystem(nqn))
	deadline := time.NewTimer(sizeWait)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if obs, err = l.engine.Observe(ctx); err != nil {
			return Device{}, err
		}
		_, now := headOf(obs, devNum)
		if now == nil || now.Epoch != before.Epoch {
			return Device{}, fmt.Errorf("%w: volume %s: %s vanished", ErrConflict, volumeID, before.Name)
		}
		d := Device{State: DevicePresent, Name: now.Name, Path: now.Device, DevNum: now.DevNum, SizeBytes: now.SizeBytes}
		if now.SizeBytes != before.SizeBytes {
			return d, nil
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return d, nil
		case <-ctx.Done():
			return Device{}, context.Cause(ctx)
		}
	}
}

// rescan asks every live controller of a subsystem for its namespaces: the
// kernel refreshes a path only through its own.
func (l *Layer) rescan(ctx context.Context, s *Subsystem) {
	if s == nil {
		return
	}
	for _, c := range s.Controllers {
		if c.State != nvme.StateLive {
			continue
		}
		if err := l.engine.Rescan(c.Name); err != nil {
			klog.FromContext(ctx).Error(err, "Rescan failed", "controller", c.Name)
		}
	}
}
