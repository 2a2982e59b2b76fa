package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/multipath/native"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/remediation"
)

// keeper is Braid's multipath layer over the kernel, in the test's own process,
// with one beside it who does what a policy says, as a node's agent does: what is
// decided and done, without Kubernetes.
type keeper struct {
	t     testing.TB
	ctx   context.Context
	layer *multipath.Layer
	// monitor knows which paths are marginal.
	monitor *health.Monitor

	mu       sync.Mutex // guards what follows
	policies map[string]remediation.Policy
	attempts map[nvme.NQN][]remediation.Attempt
}

// newKeeper starts one that keeps its things in a folder of the test's name.
func newKeeper(ctx context.Context, t testing.TB, name string) *keeper {
	t.Helper()
	k := &keeper{t: t, ctx: ctx, monitor: health.NewMonitor(func(*multipath.PathSet) health.Policy { return health.DefaultPolicy() }), policies: map[string]remediation.Policy{}, attempts: map[nvme.NQN][]remediation.Attempt{}}
	dir := t.TempDir()
	engine, err := native.New(native.Options{State: dir, Etc: filepath.Join(dir, name), Child: []string{node.Binary, "kernel-write"}})
	must(t, err)
	t.Cleanup(engine.Close)
	book, err := ledger.Open(ctx, filepath.Join(dir, "ledger"))
	must(t, err)
	seen := make(chan struct{}, 1)
	k.layer, err = multipath.New(ctx, engine, book, multipath.Options{Dir: filepath.Join(dir, "volumes"), Publish: func(*multipath.Snapshot) {
		select {
		case seen <- struct{}{}:
		default:
		}
	}})
	must(t, err)
	running, cancel := context.WithCancel(context.WithoutCancel(ctx)) // volumes are released when the test's has ended
	var parts sync.WaitGroup
	parts.Go(func() {
		if err := k.layer.Run(running); err != nil {
			t.Error(err)
		}
	})
	parts.Go(func() {
		for {
			select {
			case <-seen:
				k.act(running)
			case <-running.Done():
				return
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		parts.Wait()
	})
	return k
}

// stage stages a volume over some addresses, with a policy of its own.
func (k *keeper) stage(v multipath.Volume, p remediation.Policy, addresses ...netip.AddrPort) multipath.Device {
	k.t.Helper()
	for _, a := range addresses {
		v.Addresses = append(v.Addresses, transportID(a))
	}
	v.MinPaths = len(addresses)
	must(k.t, p.Validate())
	d, err := k.layer.Ensure(k.ctx, v)
	must(k.t, err)
	k.mu.Lock()
	k.policies[v.ID] = p
	k.mu.Unlock()
	return d
}

// release gives a volume up.
func (k *keeper) release(volumeID string) {
	k.mu.Lock()
	delete(k.policies, volumeID)
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), patience)
	defer cancel()
	if err := k.layer.Release(ctx, volumeID, ""); err != nil {
		k.t.Error(err)
	}
}

// act does what the policies say about what was seen last.
func (k *keeper) act(ctx context.Context) {
	snapshot := k.layer.Snapshot()
	k.monitor.Update(snapshot)
	for i := range snapshot.PathSets {
		set := &snapshot.PathSets[i]
		k.mu.Lock()
		policy := k.policies[set.VolumeID]
		k.mu.Unlock()
		subsystem := k.layer.Subsystem(set.SubsystemNQN)
		s := k.situation(ctx, set, subsystem)
		d := remediation.Next(policy, s)
		if path := remediation.Doubtful(policy, s); path != "" {
			if err := k.layer.Prove(ctx, set.VolumeID, path); err != nil {
				k.t.Error(err)
			}
		}
		if d.Step == "" {
			continue
		}
		a := remediation.Attempt{Step: d.Step, Path: d.Path, Began: time.Now()}
		err := k.do(ctx, set.VolumeID, d, policy, func(set *multipath.PathSet, now *multipath.Subsystem) error {
			s := k.situation(ctx, set, now)
			d := remediation.Permit(policy, s, d.Step, d.Path)
			if d.Step == "" {
				return fmt.Errorf("refused: %s: %s", d.Reason, d.Message)
			}
			for _, p := range set.Paths {
				if p.Key == d.Path {
					a.Requests = s.Evidence[p.Controller].Requests
				}
			}
			return nil
		})
		a.Ended = time.Now()
		k.t.Logf("%s %s for the requests of %s: %v", d.Step, d.Path, a.Requests, err)
		k.mu.Lock()
		k.attempts[set.SubsystemNQN] = append(k.attempts[set.SubsystemNQN], a)
		k.mu.Unlock()
	}
}

func (k *keeper) situation(ctx context.Context, set *multipath.PathSet, s *multipath.Subsystem) remediation.Situation {
	return remediation.Situation{Now: time.Now(), Set: set, Subsystem: s, Evidence: k.layer.Evidence(ctx, s), Marginal: k.monitor.Marginal(set.VolumeID), Attempts: k.tried(set.SubsystemNQN)}
}

// tried is what was done about a subsystem.
func (k *keeper) tried(nqn nvme.NQN) []remediation.Attempt {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.attempts[nqn])
}

func (k *keeper) do(ctx context.Context, volumeID string, d remediation.Decision, p remediation.Policy, permit multipath.Permit) error {
	switch d.Step {
	case remediation.KickConnection:
		return k.layer.KickConnection(ctx, volumeID, d.Path, permit)
	case remediation.ResetController:
		return k.layer.ResetController(ctx, volumeID, d.Path, permit)
	case remediation.Reconnect:
		return k.layer.Reconnect(ctx, volumeID, d.Path, permit)
	case remediation.Bench:
		return k.layer.Bench(ctx, volumeID, d.Path, p.BenchTime, permit)
	}
	return fmt.Errorf("%s is for an agent", d.Step)
}

// waitSet waits until a volume's path set is as wanted.
func (k *keeper) waitSet(volumeID, what string, is func(*multipath.PathSet) bool) error {
	ctx, cancel := context.WithTimeout(k.ctx, patience)
	defer cancel()
	return poll.Until(ctx, what, func() (bool, error) {
		set := k.layer.Snapshot().PathSet(volumeID)
		return set != nil && is(set), nil
	})
}
