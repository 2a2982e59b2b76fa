package health

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/braid-csi/braid/pkg/multipath"
)

// Monitor remembers every volume's history and answers from memory: kubelet
// asks for one volume after another, and one slow answer holds up the health
// of every driver on the node. It is safe for concurrent use; readers never
// wait for a writer.
type Monitor struct {
	policy func(*multipath.PathSet) Policy

	mu        sync.Mutex // serialises writers
	histories map[string]History
	told      map[string][]Finding

	latest atomic.Pointer[report]
}

// report is what one update found; it never changes once published.
type report struct {
	volumes  map[string][]Finding
	marginal map[string][]string
	node     []Finding
}

// NewMonitor returns a monitor that has seen nothing yet. policy is asked
// anew for every set at every update, so that a changed policy needs no
// restart; it must return valid policies.
func NewMonitor(policy func(*multipath.PathSet) Policy) *Monitor {
	return &Monitor{policy: policy, histories: make(map[string]History), told: make(map[string][]Finding)}
}

// Told takes what somebody else finds wrong with a volume, in place of what
// they found before; nothing: it is well. From the next update on it is among
// the volume's findings. It comes and goes at once: whoever compares nodes has
// no need of patience.
func (m *Monitor) Told(volumeID string, found ...Finding) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(found) == 0 {
		delete(m.told, volumeID)
		return
	}
	m.told[volumeID] = found
}

// Update assesses every path set of a snapshot as of the snapshot's time and
// forgets the volumes that are not in it.
func (m *Monitor) Update(snap *multipath.Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()

	histories := make(map[string]History, len(snap.PathSets))
	volumes := make(map[string][]Finding, len(snap.PathSets))
	marginal := make(map[string][]string)
	var n node
	for i := range snap.PathSets {
		set := &snap.PathSets[i]
		id := set.VolumeID
		findings, history := Assess(set, m.policy(set), m.histories[id], snap.At)
		if history.quality != nil {
			marginal[id] = history.quality.marginal
		}
		histories[id], volumes[id] = history, Guard(append(findings, m.told[id]...))
		// A volume that is still being staged bears no witness: it would
		// hide that nothing else on the node is reachable.
		if set.Device.State != multipath.DevicePending {
			n.add(id, volumes[id])
		}
	}
	m.histories = histories
	m.latest.Store(&report{volumes: volumes, marginal: marginal, node: Guard(n.findings())})
}

// Ready tells whether a snapshot was seen. Before that nothing is known of any
// volume, and no answer must be taken for health.
func (m *Monitor) Ready() bool { return m.latest.Load() != nil }

// Findings returns a volume's findings, worst first, and whether the latest
// snapshot knows the volume. No findings for a known volume means healthy.
func (m *Monitor) Findings(volumeID string) (findings []Finding, known bool) {
	r := m.latest.Load()
	if r == nil {
		return nil, false
	}
	findings, known = r.volumes[volumeID]
	return slices.Clone(findings), known
}

// Marginal returns the keys of a volume's paths that were much worse than the
// others in the last window. Readers share it.
func (m *Monitor) Marginal(volumeID string) []string {
	if r := m.latest.Load(); r != nil {
		return r.marginal[volumeID]
	}
	return nil
}

// NodeFindings returns what the volumes' findings mean for the node as a
// whole. It is empty before the first update: ask Ready.
func (m *Monitor) NodeFindings() []Finding {
	r := m.latest.Load()
	if r == nil {
		return nil
	}
	return slices.Clone(r.node)
}
