package native

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/braid-csi/braid/pkg/host"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// discoveryTimeout is how long a discovery controller may take for one command.
const discoveryTimeout = 3 * time.Second

// maxDiscovery is how many discovery controllers are asked for one.
const maxDiscovery = 8

// Discover returns the addresses of a subsystem that a discovery controller lists,
// and those that it refers to: Linux' target lists nothing but the port that was
// asked, and refers to others. They are asked in user space: the kernel would make
// controllers of them, and devices through which somebody has to read the logs.
// They are told who this node is, for targets list what a host may see.
func (e *Engine) Discover(ctx context.Context, from nvme.TransportID, nqn nvme.NQN) (listed []nvme.TransportID, err error) {
	h, err := e.Host(ctx)
	if err != nil {
		return nil, err
	}
	id, err := hex.DecodeString(strings.ReplaceAll(h.ID, "-", ""))
	if err != nil || len(id) != 16 {
		return nil, fmt.Errorf("host ID %q is no UUID", h.ID)
	}
	d := discovery{nqn: nqn, controllers: []nvme.TransportID{from}}
	for i := 0; i < len(d.controllers); i++ {
		at := d.controllers[i]
		records, readErr := host.Discover(ctx, host.Config{Address: at, HostNQN: h.NQN, HostID: [16]byte(id), AdminTimeout: discoveryTimeout})
		if refused := d.take(records); refused != nil {
			readErr = fmt.Errorf("discovery at %s: %w", at, refused)
		}
		err = errors.Join(err, readErr)
	}
	return d.listed, err
}

// discovery is what discovery controllers say of a subsystem.
type discovery struct {
	nqn nvme.NQN
	// controllers are those to ask, the first and those that were referred to.
	controllers []nvme.TransportID
	listed      []nvme.TransportID
}

// take takes up the records of a log. The error is why not all of it is followed.
func (d *discovery) take(records []nvmetcp.DiscoveryRecord) (refused error) {
	local := d.controllers[0].IsLoopback()
	for _, r := range records {
		switch {
		case r.Type == nvmetcp.NVMSubsystem && r.SubsystemNQN == d.nqn:
			if !slices.Contains(d.listed, r.TransportID) {
				d.listed = append(d.listed, r.TransportID)
			}
		case r.Type != nvmetcp.DiscoveryReferral || slices.Contains(d.controllers, r.TransportID):
		case len(d.controllers) == maxDiscovery:
			refused = fmt.Errorf("with it, more than %d controllers are referred to", maxDiscovery)
		default:
			if err := r.TransportID.CheckListed(local); err != nil {
				refused = fmt.Errorf("referral: %w", err)
				continue
			}
			d.controllers = append(d.controllers, r.TransportID)
		}
	}
	return refused
}
