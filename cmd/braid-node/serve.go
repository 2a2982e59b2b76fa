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
	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/durable"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/metrics"
	"github.com/braid-csi/braid/pkg/multipath"
)

// ledgerKeep is for how long the ledger of a volume that left the node is
// kept, to be taken up again should it come back.
const ledgerKeep = 30 * 24 * time.Hour

// config is what the flags of serve say.
type config struct {
	endpoint, registrationSocket, adminSocket string
	healthAddress, metricsAddress             string
	nodeID, nodeUID                           string
	agent                                     bool
	kubeconfig                                string
	legacyVolumeCondition                     bool
	stateDir                                  string
	pollInterval                              time.Duration
	bpf                                       bool
	policy                                    health.Policy
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
	f.StringVar(&c.nodeID, "node-id", hostname, "name of this node in CSI, which is that of its Node object")
	f.StringVar(&c.nodeUID, "node-uid", "", "unique ID of this node, from which a host NQN is derived where the node has none; by default the Node object's with -agent, else a random one")
	f.StringVar(&c.stateDir, "state-dir", "/var/lib/braid", "directory of the ledger and the volumes' records; must survive a reboot")
	f.StringVar(&c.registrationSocket, "registration-socket", "", "unix socket by which kubelet finds the driver, in its folder plugins_registry; empty for none")
	f.BoolVar(&c.legacyVolumeCondition, "legacy-volume-condition", false, "tell of volumes' health also by CSI's volume condition, which kubelet up to 1.36 reads")
	f.BoolVar(&c.agent, "agent", false, "report path sets to the Kubernetes API, and carry out remediations")
	f.StringVar(&c.kubeconfig, "kubeconfig", "", "how -agent reaches the API server; empty: as a pod of the cluster")
	f.BoolVar(&c.bpf, "bpf", true, "count failovers, retries, errors and resets by BPF programs as well, also on kernels that do not count them")
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
	if c.kubeconfig != "" && !c.agent {
		return config{}, errors.New("-kubeconfig: nothing reads it without -agent")
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
	n, err := newNode(ctx, c)
	if err != nil {
		return err
	}
	defer n.engine.Close()
	return n.run(ctx)
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
