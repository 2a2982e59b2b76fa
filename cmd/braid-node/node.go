package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/braid-csi/braid/pkg/admin"
	"github.com/braid-csi/braid/pkg/agent"
	"github.com/braid-csi/braid/pkg/driver"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/multipath/native"
	"github.com/braid-csi/braid/pkg/multipath/native/bpf"
	"github.com/braid-csi/braid/pkg/volume"
)

// node is a node server with all its parts.
type node struct {
	config  config
	engine  *native.Engine
	monitor *health.Monitor
	agent   *agent.Agent // nil: there is none
	layer   *multipath.Layer
}

func newNode(ctx context.Context, c config) (*node, error) {
	n := &node{config: c}
	n.monitor = health.NewMonitor(n.healthPolicy)
	var err error
	if c.agent {
		if n.agent, err = newAgent(c, n.monitor); err != nil {
			return nil, err
		}
	}
	if n.engine, err = newEngine(c, n.agent); err != nil {
		return nil, err
	}
	// The first observation begins to count by BPF, which takes a moment: nobody
	// shall be kept waiting by it.
	if _, err := n.engine.Observe(ctx); err != nil {
		return nil, err
	}
	record, err := ledger.Open(ctx, filepath.Join(c.stateDir, "ledger"))
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	n.layer, err = multipath.New(ctx, n.engine, record, multipath.Options{
		Dir: filepath.Join(c.stateDir, "volumes"), PollInterval: c.pollInterval, Publish: n.publish, KeepLedger: ledgerKeep,
	})
	return n, err
}

func newEngine(c config, a *agent.Agent) (*native.Engine, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	o := native.Options{State: c.stateDir, Child: []string{self, kernelWrite}}
	if c.bpf {
		o.Failovers = func() (native.FailoverCounter, error) { return bpf.Attach() }
		o.Retries = func() (native.KernelCounter, error) { return bpf.AttachRetries() }
		o.Errors = func() (native.KernelCounter, error) { return bpf.AttachErrors() }
		o.Resets = func() (native.KernelCounter, error) { return bpf.AttachResets() }
	}
	switch {
	case c.nodeUID != "":
		o.NodeUID = func(context.Context) (string, error) { return c.nodeUID, nil }
	case a != nil:
		o.NodeUID = a.NodeUID
	}
	return native.New(o)
}

// healthPolicy is how a volume is judged: as the cluster has it, or else as the
// flags do.
func (n *node) healthPolicy(set *multipath.PathSet) health.Policy {
	if n.agent == nil {
		return n.config.policy
	}
	return n.agent.HealthPolicy(set)
}

// publish hands a snapshot on: first it is judged, then the judgement is told.
func (n *node) publish(snap *multipath.Snapshot) {
	n.monitor.Update(snap)
	if n.agent != nil {
		n.agent.Publish(snap)
	}
}

// run opens the sockets and runs everything side by side; the first part that
// fails ends the others.
func (n *node) run(ctx context.Context) error {
	c := n.config
	server, err := n.driver()
	if err != nil {
		return err
	}
	// First, for it makes the directory in which both are by default.
	root, err := admin.Listen(c.adminSocket)
	if err != nil {
		return err
	}
	csi, err := driver.Listen(ctx, c.endpoint)
	if err != nil {
		return errors.Join(err, root.Close())
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return n.layer.Run(ctx) })
	group.Go(func() error { return server.Serve(ctx, csi) })
	group.Go(func() error { return (&admin.Server{Layer: n.layer, Findings: n.monitor.Findings}).Serve(ctx, root) })
	group.Go(func() error { return serveHTTP(ctx, "-health-address", c.healthAddress, "/healthz", server.Healthz()) })
	group.Go(func() error {
		return serveHTTP(ctx, "-metrics-address", c.metricsAddress, "/metrics", metricsHandler(n.layer, n.monitor))
	})
	if n.agent != nil {
		group.Go(func() error {
			n.agent.Run(ctx, n.layer)
			return nil
		})
	}
	if c.registrationSocket != "" {
		group.Go(func() error { return server.ServeRegistration(ctx, c.registrationSocket, c.endpoint) })
	}
	return group.Wait()
}

func (n *node) driver() (*driver.Driver, error) {
	c := driver.Config{
		NodeID: n.config.nodeID, Version: version, Paths: n.layer, Volumes: volume.New(volume.Linux()), Health: n.monitor,
		LegacyVolumeCondition: n.config.legacyVolumeCondition,
		Probe:                 func(context.Context) error { return n.layer.Observing() },
	}
	if n.agent != nil {
		c.Reported = n.agent.Reported
	}
	return driver.New(c)
}
