package attach

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

// port is a node's layer, over one volume in memory. What is drained is down at
// once, and what is brought back is there again.
type port struct {
	*multipath.Layer

	mu   sync.Mutex
	set  multipath.PathSet
	held map[nvme.TransportID]multipath.Maintenance
	last bool // the volume would have no path left
}

func (p *port) Snapshot() *multipath.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	set := p.set
	set.Paths = slices.Clone(set.Paths)
	for i := range set.Paths {
		if m, ok := p.held[set.Paths[i].Address]; ok {
			set.Paths[i].Maintenance = &m
			set.Paths[i].Name, set.Paths[i].Controller, set.Paths[i].State = "", "", nvme.StateAbsent
		}
	}
	return &multipath.Snapshot{At: time.Now(), PathSets: []multipath.PathSet{set}}
}

func (p *port) Maintenances() []multipath.Maintenance {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.held))
}

func (p *port) Drain(_ context.Context, m multipath.Maintenance) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last {
		return fmt.Errorf("%w: nvme0n1", multipath.ErrLastPath)
	}
	p.held[m.Address] = m
	return nil
}

func (p *port) Return(_ context.Context, address nvme.TransportID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, address)
	return nil
}

// lastPath says whether the volume would have no path left.
func (p *port) lastPath(is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = is
}

// TestMaintenanceTwoAgents has two nodes drain an address, one of which refuses
// at first, a third one that is not meant, and all of it brought back: because it
// is ended, and because it is deleted.
func TestMaintenanceTwoAgents(t *testing.T) {
	t.Parallel()
	hosts := []*host{startHost(t, "drains-1", 211), startHost(t, "drains-2", 212), startHost(t, "not-meant", 213)}
	m := &v1alpha1.NVMePathMaintenance{
		ObjectMeta: metav1.ObjectMeta{Name: "port-1"},
		Spec: v1alpha1.NVMePathMaintenanceSpec{
			Address: "tcp://192.0.2.1:4420", Reason: "firmware", Duration: "1h", RequestedBy: "admin", NodeNames: []string{"drains-1", "drains-2"},
		},
	}
	says := func(name, want string) {
		t.Helper()
		got := ""
		eventually(t, name+": "+want, func(ctx context.Context) (bool, error) {
			for _, h := range hosts {
				h.agent.Publish(h.port.Snapshot())
			}
			if err := bed.admin.Get(ctx, client.ObjectKeyFromObject(m), m); err != nil {
				return false, err
			}
			says := fmt.Sprintf("%d/%d, %d refused:", m.Status.DrainedPaths, m.Status.Paths, m.Status.RefusedPaths)
			for _, c := range m.Status.Conditions {
				says += fmt.Sprintf(" %s %s/%s", c.Type, c.Status, c.Reason)
			}
			if says != got {
				got = says
				t.Logf("%s: it says %s", name, says)
			}
			return says == want, nil
		})
	}
	hosts[1].port.lastPath(true)
	create(t, m)
	says("one refuses", "1/2, 1 refused: Drained False/Refused")
	hosts[1].port.lastPath(false)
	says("it can now", "2/2, 0 refused: Drained True/Drained")
	if all := hosts[2].port.Maintenances(); len(all) > 0 {
		t.Errorf("a node that was not meant holds %+v", all)
	}
	m.Spec.Ended = true
	must(t, bed.admin.Update(t.Context(), m))
	says("ended", "0/2, 0 refused: Drained False/Ended Returned True/Returned")
	remove(t, m)

	m.ResourceVersion, m.Spec.Ended = "", false
	create(t, m)
	says("once more", "2/2, 0 refused: Drained True/Drained")
	remove(t, m)
	for _, h := range hosts {
		eventually(t, h.node+" to bring its path back", func(context.Context) (bool, error) {
			return len(h.port.Maintenances()) == 0, nil
		})
	}
}
