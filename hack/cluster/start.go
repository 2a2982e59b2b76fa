package cluster

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

// begin makes what everybody needs, and then starts both sides at once: the
// node boots for longer than the control plane needs to come up.
func (c *Cluster) begin(cfg Config) error {
	ctx, cancel := context.WithTimeoutCause(c.life, cfg.StartTimeout, fmt.Errorf("not ready after %s", cfg.StartTimeout))
	defer cancel()
	if err := c.makeState(cfg); err != nil {
		return err
	}
	tap, err := c.makeNetwork()
	if err != nil {
		return err
	}
	defer tap.Close() // QEMU has its own by then
	k, err := newKeys(c.state, cfg.NodeName, c.server)
	if err != nil {
		return err
	}
	c.Kubeconfig = k.admin
	if !cfg.ControlPlaneOnly {
		if err := c.boot(ctx, cfg, k, tap); err != nil {
			return err
		}
	}
	return c.wait(ctx, cfg, k)
}

func (c *Cluster) makeState(cfg Config) (err error) {
	if c.state, err = newState(c.parts.cache); err != nil {
		return err
	}
	c.Logs = cmp.Or(cfg.Logs, c.state.path("logs"))
	return os.MkdirAll(c.Logs, 0o755)
}

// makeNetwork also lets programs outside of it in.
func (c *Cluster) makeNetwork() (tap *os.File, err error) {
	if c.network, tap, err = newNetwork(); err != nil {
		return nil, err
	}
	address, err := c.forward("tcp", "127.0.0.1:0", func(ctx context.Context) (net.Conn, error) {
		return c.network.Dial(ctx, "tcp", "127.0.0.1:"+apiPort)
	})
	if err == nil {
		c.server = "https://" + address.String()
		_, err = c.forward("unix", c.nodeSocket(), c.dialNode)
	}
	if err != nil {
		tap.Close()
		return nil, err
	}
	return tap, nil
}

// wait starts the control plane and returns when all of the cluster is ready.
func (c *Cluster) wait(ctx context.Context, cfg Config, k *keys) error {
	began := time.Now()
	tell := func(what string) { cfg.Progress("%5.1f s  %s", time.Since(began).Seconds(), what) }
	g, ctx := errgroup.WithContext(ctx)
	up := make(chan struct{})
	g.Go(func() error {
		if err := c.startControlPlane(ctx, cfg, k); err != nil {
			return err
		}
		tell("control plane up")
		close(up)
		// Pods cannot be created before.
		_, err := c.Kubectl(ctx, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
		return err
	})
	if cfg.ControlPlaneOnly {
		return g.Wait()
	}
	c.Node = &Node{Name: cfg.NodeName, dial: c.dialNode}
	g.Go(func() error {
		if err := c.nodeBoots(ctx, cfg, tell); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-up:
			return c.nodeReady(ctx, cfg, tell)
		}
	})
	return g.Wait()
}

func (c *Cluster) nodeBoots(ctx context.Context, cfg Config, tell func(string)) error {
	if err := c.Node.answers(ctx); err != nil {
		return err
	}
	tell("node booted")
	if err := c.importImages(ctx, cfg.Images); err != nil {
		return err
	}
	tell("images imported")
	return nil
}

func (c *Cluster) nodeReady(ctx context.Context, cfg Config, tell func(string)) error {
	name := "node/" + cfg.NodeName
	for _, condition := range []string{"create", "condition=Ready"} {
		if _, err := c.Kubectl(ctx, "wait", "--for="+condition, name, "--timeout="+cfg.StartTimeout.String()); err != nil {
			return err
		}
	}
	tell("node ready")
	return nil
}
