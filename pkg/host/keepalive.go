package host

import (
	"context"
	"fmt"
	"time"

	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// keepAlive sends Keep Alive commands until the association ends. With TBKAS
// they need not be sent while there is I/O (drivers/nvme/host/core.c,
// nvme_keep_alive_work). They are sent all the same: a command every few seconds
// costs nothing, and an admin queue that is dead alone would stay unnoticed,
// with all the ANA changes that it does not tell of.
func (a *association) keepAlive() {
	ticker := time.NewTicker(a.cfg.KeepAlive / 2)
	defer ticker.Stop()
	for {
		select {
		case <-a.ended:
			return
		case <-ticker.C:
		}
		ctx, cancel := context.WithTimeoutCause(context.Background(), a.cfg.KeepAlive, fmt.Errorf("not answered within %s", a.cfg.KeepAlive))
		_, err := a.exec(ctx, "keep alive", nvmetcp.Command{Opcode: nvmetcp.KeepAlive}, nil)
		cancel()
		if err != nil {
			a.admin.fail(fmt.Errorf("controller is not alive: %w", err))
			return
		}
	}
}
