// Command braid-controller is Braid's cluster side: it attaches volumes to
// nodes, and detaches them once that is safe.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/braid-csi/braid/pkg/controller"
)

// version is set by the linker.
var version = "devel"

// config is what the flags say.
type config struct {
	controller.Options
	kubeconfig string
	version    bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "braid-controller:", err)
		}
		stop()
		os.Exit(1)
	}
}

// run works until ctx ends or a part of it fails.
func run(ctx context.Context, args []string, out io.Writer) error {
	c, err := parseConfig(args)
	if err != nil {
		return err
	}
	if c.version {
		_, err := fmt.Fprintln(out, "braid-controller", version)
		return err
	}
	logger := klog.FromContext(ctx)
	ctrl.SetLogger(logger)
	cluster, err := clusterConfig(c.kubeconfig)
	if err != nil {
		return fmt.Errorf("-kubeconfig: %w", err)
	}
	manager, err := controller.NewManager(ctx, cluster, c.Options)
	if err != nil {
		return err
	}
	logger.Info("Starting", "version", version, "leaderElect", c.LeaderElect, "releaseTimeout", c.ReleaseTimeout)
	return manager.Start(ctx)
}

func parseConfig(args []string) (config, error) {
	var c config
	f := flag.NewFlagSet("braid-controller", flag.ContinueOnError)
	f.BoolVar(&c.LeaderElect, "leader-elect", true, "let one of several replicas work at a time")
	f.StringVar(&c.Namespace, "namespace", "", "namespace of the Lease by which replicas elect; empty for the pod's own")
	f.StringVar(&c.HealthAddress, "health-address", ":9811", "address of /healthz and /readyz; empty for none")
	f.StringVar(&c.MetricsAddress, "metrics-address", ":9812", "address of /metrics for Prometheus; empty for none")
	f.DurationVar(&c.ReleaseTimeout, "release-timeout", 0,
		"detach a volume this long after it was asked for, even if its node may still write to it: two nodes that write to one file system destroy it; 0 for never")
	f.StringVar(&c.kubeconfig, "kubeconfig", "", "file that says how to reach the cluster; empty for that of the pod")
	f.BoolVar(&c.version, "version", false, "print the version and exit")
	klog.InitFlags(f)
	if err := f.Parse(args); err != nil {
		return config{}, err
	}
	if f.NArg() > 0 {
		return config{}, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return c, errors.Join(
		checkAddress("-health-address", c.HealthAddress),
		checkAddress("-metrics-address", c.MetricsAddress),
		checkTimeout(c.ReleaseTimeout),
		checkNamespace(c),
	)
}

// checkNamespace asks for what cannot be found out outside of a pod.
func checkNamespace(c config) error {
	if c.kubeconfig != "" && c.LeaderElect && c.Namespace == "" && !c.version {
		return errors.New("-namespace is needed outside of a pod, or -leader-elect=false")
	}
	return nil
}

func checkAddress(name, address string) error {
	if address == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// minReleaseTimeout is longer than it takes a healthy node to unmount a volume
// that is not busy.
const minReleaseTimeout = time.Minute

func checkTimeout(d time.Duration) error {
	if d != 0 && d < minReleaseTimeout {
		return fmt.Errorf("-release-timeout: %s is less than %s, in which a healthy node may still unmount the volume; 0 is never", d, minReleaseTimeout)
	}
	return nil
}

// clusterConfig says how to reach the API server. Its priority and fairness
// limit the requests, not the client.
func clusterConfig(kubeconfig string) (*rest.Config, error) {
	c, err := rest.InClusterConfig()
	if kubeconfig != "" {
		c, err = clientcmd.BuildConfigFromFlags("", kubeconfig)
	}
	if err != nil {
		return nil, err
	}
	c.QPS = -1
	c.UserAgent = "braid-controller/" + version
	return c, nil
}
