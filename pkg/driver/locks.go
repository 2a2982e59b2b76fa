package driver

import (
	"fmt"
	"sync"
)

// volumeLocks lets one call at a time change a volume. A second one is turned
// away rather than queued: CSI's caller retries with back-off, and one call
// may wait for a device for minutes. The zero value is ready.
type volumeLocks struct {
	mu   sync.Mutex
	held map[string]bool
}

// lock takes the volume's lock, or returns errBusy.
func (l *volumeLocks) lock(volumeID string) (unlock func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[volumeID] {
		return nil, fmt.Errorf("%w: %s", errBusy, volumeID)
	}
	if l.held == nil {
		l.held = make(map[string]bool)
	}
	l.held[volumeID] = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, volumeID)
	}, nil
}
