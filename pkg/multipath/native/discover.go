package native

import (
	"context"
	"encoding/hex"
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

// Discover returns the addresses of a subsystem that a discovery controller lists.
// It is asked in user space: the kernel would make a controller of it, and a device
// through which somebody has to read the log. It is told who this node is, for
// targets list what a host may see.
func (e *Engine) Discover(ctx context.Context, from nvme.TransportID, nqn nvme.NQN) ([]nvme.TransportID, error) {
	h, err := e.Host(ctx)
	if err != nil {
		return nil, err
	}
	id, err := hex.DecodeString(strings.ReplaceAll(h.ID, "-", ""))
	if err != nil || len(id) != 16 {
		return nil, fmt.Errorf("host ID %q is no UUID", h.ID)
	}
	records, err := host.Discover(ctx, host.Config{Address: from, HostNQN: h.NQN, HostID: [16]byte(id), AdminTimeout: discoveryTimeout})
	if err != nil {
		return nil, err
	}
	var listed []nvme.TransportID
	for _, r := range records {
		if r.Type == nvmetcp.NVMSubsystem && r.SubsystemNQN == nqn && !slices.Contains(listed, r.TransportID) {
			listed = append(listed, r.TransportID)
		}
	}
	return listed, nil
}
