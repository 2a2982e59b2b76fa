package multipath

import (
	"context"
	"fmt"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

// Rescan makes the kernel read the volume's namespace anew on every live
// controller, so that a new size shows, and returns the device. devNum is
// what was found staged, for a volume without a record.
func (l *Layer) Rescan(ctx context.Context, volumeID, devNum string) (Device, error) {
	if err := l.look(ctx); err != nil {
		return Device{}, err
	}
	set := l.Snapshot().PathSet(volumeID)
	if set == nil {
		return Device{}, fmt.Errorf("%w: volume %s", ErrNotStaged, volumeID)
	}
	if set.Device.State != DevicePresent || devNum != "" && devNum != set.Device.DevNum {
		return Device{}, fmt.Errorf("%w: the device of volume %s is %s", ErrConflict, volumeID, set.Device.State)
	}
	l.rescan(ctx, set)
	return l.rescanned(ctx, volumeID, set.Device)
}

// rescan asks every live controller of the set for its namespaces.
func (l *Layer) rescan(ctx context.Context, set *PathSet) {
	for i := range set.Paths {
		if p := &set.Paths[i]; p.State == nvme.StateLive {
			if err := l.engine.Rescan(p.Controller); err != nil {
				klog.FromContext(ctx).Error(err, "Rescan failed", "controller", p.Controller)
			}
		}
	}
}

// sizeWait is for how long a rescan may take to show a new size.
const sizeWait = 2 * time.Second

// rescanned waits until a rescan has shown its effect: until the size changed,
// or for sizeWait where it does not, which is no error. The kernel gives no
// sign that a scan is over.
func (l *Layer) rescanned(ctx context.Context, volumeID string, before Device) (Device, error) {
	ctx, cancel := context.WithTimeout(ctx, sizeWait)
	defer cancel()
	for {
		looked := l.nextLook()
		set := l.Snapshot().PathSet(volumeID)
		if set == nil {
			return Device{}, fmt.Errorf("%w: volume %s", ErrNotStaged, volumeID)
		}
		if set.Device.SizeBytes != before.SizeBytes {
			return set.Device, nil
		}
		l.lookSoon()
		select {
		case <-looked:
		case <-ctx.Done():
			return set.Device, nil
		}
	}
}
