package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/hack/rig/remote"
)

const (
	// slow keeps commands in flight, so that a cut has something to fail over.
	slow = 100 * time.Millisecond
	// patience bounds what takes as long as it takes: the node's processor is
	// emulated.
	patience = 3 * time.Minute
	// usual bounds a scenario as a whole, and every death of a path adds to it.
	usual, perDeath = 15 * time.Minute, time.Minute
	// lost is the reason of the finding after one of two paths was cut.
	lost = "PathRedundancyLost"
)

// kind is what clusters differ in.
type kind struct {
	gates      map[string]bool
	kubelet136 bool
	// faultpoints: braid-node is the one that can be ended before each step.
	faultpoints bool
}

func (k kind) same(as kind) bool {
	return k.kubelet136 == as.kubelet136 && k.faultpoints == as.faultpoints && maps.Equal(k.gates, as.gates)
}

var (
	alphaOn = kind{gates: map[string]bool{"CSIVolumeHealth": true}}
	// alphaOff is what clusters are by default, said aloud.
	alphaOff = kind{gates: map[string]bool{"AllAlpha": false}}
	// oldNode is in the middle of an upgrade, and older than the API server.
	oldNode = kind{gates: alphaOn.gates, kubelet136: true}
	// fragile has a braid-node that can be ended at every step.
	fragile = kind{gates: alphaOn.gates, faultpoints: true}
)

// scene is what a scenario plays on: a cluster with Braid, a target with two
// paths, a volume, and a pod that writes to it.
type scene struct {
	t        *testing.T
	ctx      context.Context
	lab      *lab.Lab
	rig      *remote.Rig
	volume   lab.Volume
	pod      string
	writer   *lab.Writer
	evidence string
}

// newScene builds a scene, in which the chart has these values; nothing of the
// volume is in the cluster yet.
func newScene(t *testing.T, k kind, sets ...string) *scene {
	t.Helper()
	return newSceneOver(t, k, []rig.Namespace{{SizeMB: 64, Delay: slow}}, sets...)
}

// newSceneOver is newScene with a target that has these namespaces. The first is
// the volume's.
func newSceneOver(t *testing.T, k kind, namespaces []rig.Namespace, sets ...string) *scene {
	t.Helper()
	name := strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(t.Name(), "Test"), "Kubernetes"))
	// What a scenario leaves is looked at after the test's own context has ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), usual+time.Duration(deaths(t))*perDeath)
	t.Cleanup(cancel)
	s := &scene{t: t, ctx: ctx, lab: shared.get(t, k), pod: name + "-writer", evidence: filepath.Join(artifacts(t), t.Name())}
	t.Cleanup(s.sweep)
	s.install(sets...)
	s.volume = lab.Volume{Name: name, NQN: "nqn.2026-11.test.braid:" + name, UUID: uuid(name)}
	namespaces[0].UUID = s.volume.UUID
	var err error
	s.rig, err = s.lab.NewRig(ctx, rig.Config{NQN: s.volume.NQN, Namespaces: namespaces})
	must(t, err)
	s.volume.Addrs = s.rig.Addrs()
	return s
}

// uuid makes one of a scenario's name.
func uuid(name string) string {
	b := make([]byte, 8)
	copy(b, name)
	return fmt.Sprintf("b4a1d000-0000-4000-%x-%x", []byte{0x80, b[0]}, append(b[1:6], byte(len(name))))
}

// install brings Braid to the state that scenarios begin with, whatever the one
// before left.
func (s *scene) install(sets ...string) {
	s.t.Helper()
	_, err := s.lab.Install(s.ctx, sets...)
	must(s.t, err)
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	must(s.t, s.lab.WaitRegistered(ctx))
}

// sweep tells all there is to tell of a scenario that failed, and abandons its
// cluster. One that passed has left nothing.
func (s *scene) sweep() {
	if !s.t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), time.Minute)
	defer cancel()
	if err := s.lab.Keep(ctx, s.evidence, "failed", s.rig); err != nil {
		s.t.Logf("evidence: %v", err)
	}
	s.t.Logf("more is in %s\n%s", s.evidence, s.lab.BraidLogs(ctx, 25))
	abandon(s.t)
}

// abandon leaves the next scenario a new cluster.
func abandon(t *testing.T) {
	if err := shared.close(); err != nil {
		t.Logf("ending the cluster: %v", err)
	}
}

// keep leaves evidence of how things are.
func (s *scene) keep(when string) {
	s.t.Helper()
	must(s.t, s.lab.Keep(s.ctx, s.evidence, when, s.rig))
}

// waiting bounds what is waited for.
func (s *scene) waiting() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.ctx, patience)
}
