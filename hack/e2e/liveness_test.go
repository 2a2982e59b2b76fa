package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/rig"
)

// TestLiveness stops braid-node under I/O as an upgrade does. I/O needs no
// braid-node, and what happens meanwhile is counted by the next one.
func TestLiveness(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "ext4")
	s.attach(v)
	must(t, alive(s.ctx))
	w := s.write(v)

	must(t, s.node.Stop())
	if err := alive(s.ctx); err == nil {
		t.Error("/healthz answers though braid-node has stopped")
	}
	s.goesOn(w)
	s.cutBusy(v)
	s.until("the controller to be lost", func() (bool, error) {
		r, err := nvmehost.Read(uuid(0))
		return r.Ways[s.addr(0)].State == "connecting", err
	})
	s.goesOn(w)

	must(t, s.node.Start(s.ctx))
	must(t, alive(s.ctx))
	s.waitFinding(v, "DEGRADED", "PathRedundancyLost")
	view := s.settled(v)
	if err := check.PortCut(view, s.addr(0), s.addr(1)); err != nil {
		t.Errorf("what happened while braid-node was away: %v", err)
	}
	t.Logf("%d failovers while braid-node was away", s.failovers(view, 0))
	must(t, s.rig.Repair(0))
	s.waitUsable(v, 2)
	s.waitHealthy(v)
	s.unharmed(w)
	s.detach(v)
	s.ledgerLeft()
}

// alive wants /healthz to answer as a liveness probe expects.
func alive(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, node.Healthz, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("/healthz: %s: %s", res.Status, body)
	}
	return err
}
