// Package story is what Braid does, told on a real Kubernetes and checked at
// every word: a volume with two paths is mounted by a pod, a path is cut under
// I/O, kubectl tells of it, the path is repaired, the counters are reset on
// record, Braid is upgraded, and all goes cleanly. `make demo` shows it, and
// TestKubernetesStory fails at the first claim that does not hold.
//
// 2026-11-22: what the story shows is the output of commands anybody can type,
// and what it claims is checked against braid-rig's account, which comes from
// the node's sysfs.
//
// 2026-11-23: times are claimed as Braid promises them, unless the cluster itself
// did not answer meanwhile: the node's processor is emulated, and now and then
// all of its programs wait for seconds.
package story

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/hack/rig/remote"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

const (
	nqn  = "nqn.2026-11.dev.braid.demo:shelf1"
	uuid = "b4a1dde0-0000-4000-8000-000000000001"
	// The volume, the pod that has it, and the pod on another node that wants
	// it too.
	volume    = "orders"
	pod       = "database"
	secondPod = "database-2"
	otherNode = "node2"
	// backend is how long the target takes for a command. It keeps the
	// writer's commands in flight, so that a cut has something to fail over.
	backend = 100 * time.Millisecond
	// patience is for what takes as long as it takes: the node's processor is
	// emulated, and starts pods slowly.
	patience = 3 * time.Minute
)

// Gates are what the cluster needs for all of the story: kubelet tells of
// volume health since Kubernetes 1.37, in an alpha state.
var Gates = map[string]bool{"CSIVolumeHealth": true}

// Story is the stage: the cluster, the target and the volume.
type Story struct {
	*Printer
	lab *lab.Lab
	// evidence is the folder for what shows how things were.
	evidence string
	rig      *remote.Rig
	volume   lab.Volume
	writer   *lab.Writer
	// cut and other are the addresses of the path that will be cut and of the
	// one that will be left.
	cut, other netip.AddrPort
	// set is the path set as it was last seen.
	set v1alpha1.NVMePathSet
	// pulse is the cluster's while the path is cut.
	pulse *poll.Pulse
	// cutAt is when the path was cut.
	cutAt time.Time
	// failovers is how many there were when the counters were reset.
	failovers uint64
	// stats is what the writer did in the end.
	stats load.Stats
}

// Tell tells the story up to the first thing that is not as it should be. In
// the lab's cluster Braid is not installed, and it is not afterwards either, if
// the story ends well. Evidence is left in a folder.
func Tell(ctx context.Context, l *lab.Lab, p *Printer, evidence string) (err error) {
	s := &Story{Printer: p, lab: l, evidence: evidence}
	defer func() {
		if s.rig != nil && err == nil {
			err = s.rig.Close()
		}
	}()
	if err := s.open(ctx); err != nil {
		return err
	}
	for i, part := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"Helm installs Braid", s.install},
		{"A Pod starts whose PersistentVolume has two addresses", s.start},
		{"A second Pod, on another node, wants the same volume", s.multiAttach},
		{"Two paths, both usable", s.look},
		{"The first path is cut, with I/O in flight", s.losePath},
		{"The path is repaired", s.repair},
		{"The counters are reset, on record", s.reset},
		{"Braid is upgraded, with the volume mounted and under I/O", s.upgrade},
		{"Pod and PersistentVolume go", s.end},
		{"What the writer saw of all this", s.account},
	} {
		s.chapter(i+1, part.title)
		if err := part.play(ctx); err != nil {
			return all(err, s.failed(ctx))
		}
	}
	return nil
}

func (s *Story) open(ctx context.Context) (err error) {
	version, err := s.lab.ServerVersion(ctx)
	if err != nil {
		return err
	}
	kernel, err := s.lab.NodeKernel(ctx)
	if err != nil {
		return err
	}
	s.line("%s", s.bold("Braid on Kubernetes: a path is cut under I/O, and kubectl can say what happened"))
	s.say("Kubernetes %s; %s is a virtual machine with Linux %s,", version, lab.NodeName, kernel)
	s.say("whose NVMe host, multipathing and counters are the kernel's own. Every claim below is checked.")
	s.rig, err = s.lab.NewRig(ctx, rig.Config{NQN: nqn, Namespaces: []rig.Namespace{{UUID: uuid, SizeMB: 64, Delay: backend}}})
	if err != nil {
		return err
	}
	s.cut, s.other = s.rig.Addr(0), s.rig.Addr(1)
	s.volume = lab.Volume{Name: volume, NQN: nqn, UUID: uuid, Addrs: s.rig.Addrs()}
	return nil
}

// run runs a command and quotes it with what it printed.
func (s *Story) run(ctx context.Context, args ...string) (lab.Command, error) {
	c, err := s.lab.Run(ctx, args...)
	if err != nil {
		return c, err
	}
	s.quote(c.Line(), c.Output)
	return c, nil
}

// apply applies a manifest as a person does: from a file.
func (s *Story) apply(ctx context.Context, file, manifest string) error {
	if err := s.lab.Write(file, manifest); err != nil {
		return err
	}
	_, err := s.run(ctx, "kubectl", "apply", "--filename", file)
	return err
}

// waitSet waits until the path set is as it should be, and remembers it.
func (s *Story) waitSet(ctx context.Context, what string, done func(v1alpha1.NVMePathSet) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var err error
	s.set, err = s.lab.WaitPathSet(ctx, volume, what, done)
	return err
}

// keep leaves evidence of how things are now.
func (s *Story) keep(ctx context.Context, when string) error {
	return s.lab.Keep(ctx, s.evidence, when, s.rig)
}

// failed leaves what helps to find out why: Braid's logs, and how things are.
func (s *Story) failed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	s.quote("kubectl logs", s.lab.BraidLogs(ctx, 25))
	return s.keep(ctx, "failed")
}

// seconds is a time that passed, for people.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// all is the first of several claims that does not hold, after all were made.
func all(claims ...error) error { return errors.Join(claims...) }
