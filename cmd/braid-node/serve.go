package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/admin"
	"github.com/braid-csi/braid/pkg/driver"
	"github.com/braid-csi/braid/pkg/durable"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/metrics"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/multipath/native"
	"github.com/braid-csi/braid/pkg/volume"
)

// ledgerKeep is for how long the ledger of a volume that left the node is
// kept, to be taken up again should it come back.
const ledgerKeep = 30 * 24 * time.Hour

// config is what the flags of serve say.
type config struct {
	endpoint, adminSocket         string
	healthAddress, metricsAddress string
	nodeID, nodeUID               string
	stateDir                      string
	pollInterval                  time.Duration
	policy                        health.Policy
}

func parseConfig(args []string) (config, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return config{}, err
	}
	c := config{policy: health.DefaultPolicy()}
	f := flag.NewFlagSet("braid-node serve", flag.ContinueOnError)
	f.StringVar(&c.endpoint, "endpoint", "/run/braid/csi.sock", "unix socket on which CSI is served")
	f.StringVar(&c.adminSocket, "admin-socket", adminSocket, "unix socket for root's commands")
	f.StringVar(&c.healthAddress, "health-address", "127.0.0.1:9809", "address of the liveness handler /healthz; empty for none")
	f.StringVar(&c.metricsAddress, "metrics-address", "127.0.0.1:9810", "address of /metrics for Prometheus; empty for none")
	f.StringVar(&c.nodeID, "node-id", hostname, "name of this node in CSI")
	f.StringVar(&c.nodeUID, "node-uid", "", "unique ID of this node, from which a host NQN is derived where the node has none")
	f.StringVar(&c.stateDir, "state-dir", "/var/lib/braid", "directory of the ledger and the volumes' records; must survive a reboot")
	f.DurationVar(&c.pollInterval, "poll-interval", 500*time.Millisecond, "time between two observations of the paths")
	f.DurationVar(&c.policy.RaiseAfter, "raise-after", c.policy.RaiseAfter, "for how long a condition must hold before it is reported")
	f.DurationVar(&c.policy.ClearAfter, "clear-after", c.policy.ClearAfter, "for how long a condition must be absent before it is cleared")
	klog.InitFlags(f)
	if err := f.Parse(args); err != nil {
		return config{}, err
	}
	if f.NArg() > 0 {
		return config{}, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if c.pollInterval < 10*time.Millisecond || c.pollInterval > time.Minute {
		return config{}, fmt.Errorf("-poll-interval: %s is not between 10ms and 1m", c.pollInterval)
	}
	return c, c.policy.Validate()
}

// serve runs the node server until ctx ends or a part of it fails. What is
// mounted stays mounted: paths need no braid-node to carry I/O.
func serve(ctx context.Context, args []string, _ io.Writer) error {
	c, err := parseConfig(args)
	if err != nil {
		return err
	}
	klog.FromContext(ctx).Info("Starting", "version", version, "node", c.nodeID)
	if err := os.MkdirAll(c.stateDir, 0o700); err != nil {
		return fmt.Errorf("-state-dir: %w", err)
	}
	// Two of us, during a rollout for instance, would write over each other's
	// ledger.
	lock, err := durable.Lock(filepath.Join(c.stateDir, "lock"))
	if err != nil {
		return fmt.Errorf("-state-dir: %w", err)
	}
	defer lock.Close()
	engine, err := newEngine(c)
	if err != nil {
		return err
	}
	defer engine.Close()
	monitor := health.NewMonitor(func(*multipath.PathSet) health.Policy { return c.policy })
	layer, err := newLayer(ctx, c, engine, monitor)
	if err != nil {
		return err
	}
	return runParts(ctx, c, layer, monitor)
}

func newEngine(c config) (*native.Engine, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return native.New(native.Options{State: c.stateDir, NodeUID: c.nodeUID, Child: []string{self, kernelWrite}})
}

func newLayer(ctx context.Context, c config, engine *native.Engine, monitor *health.Monitor) (*multipath.Layer, error) {
	record, err := ledger.Open(ctx, filepath.Join(c.stateDir, "ledger"))
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return multipath.New(ctx, engine, record, multipath.Options{
		Dir: filepath.Join(c.stateDir, "volumes"), PollInterval: c.pollInterval, Publish: monitor.Update, KeepLedger: ledgerKeep,
	})
}

// runParts opens the sockets and runs everything side by side; the first part
// that fails ends the others.
func runParts(ctx context.Context, c config, layer *multipath.Layer, monitor *health.Monitor) error {
	server, err := driver.New(driver.Config{
		NodeID: c.nodeID, Version: version, Paths: layer, Volumes: volume.New(volume.Linux()), Health: monitor,
		Probe: func(context.Context) error { return layer.Observing() },
	})
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
	group.Go(func() error { return layer.Run(ctx) })
	group.Go(func() error { return server.Serve(ctx, csi) })
	group.Go(func() error { return (&admin.Server{Layer: layer, Findings: monitor.Findings}).Serve(ctx, root) })
	group.Go(func() error { return serveHTTP(ctx, "-health-address", c.healthAddress, "/healthz", server.Healthz()) })
	group.Go(func() error {
		return serveHTTP(ctx, "-metrics-address", c.metricsAddress, "/metrics", metricsHandler(layer, monitor))
	})
	return group.Wait()
}

// metricsHandler shows the paths, and this process beside them.
func metricsHandler(layer *multipath.Layer, monitor *health.Monitor) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		&metrics.Collector{Snapshot: layer.Snapshot, Findings: monitor.Findings},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// serveHTTP answers at one path of an address, which a flag has named, until
// ctx ends.
func serveHTTP(ctx context.Context, name, address, path string, h http.Handler) error {
	if address == "" {
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	mux := http.NewServeMux()
	mux.Handle(path, h)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
