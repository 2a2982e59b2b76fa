package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/braid-csi/braid/hack/cluster/netns"
)

// Cluster is a running one.
type Cluster struct {
	// Kubeconfig is the administrator's. It serves any program on this machine.
	Kubeconfig string
	// Logs is the folder with everybody's log.
	Logs string
	// Node is the machine behind the node, nil if there is none.
	Node *Node

	parts   *parts
	state   *state
	network *netns.Namespace
	server  string // the API server's address outside of the namespace
	// apiServer can be stopped for a while; pool is what its clients trust.
	apiServer *process
	pool      []byte
	// life is over when the cluster is; its cause says why.
	life    context.Context
	end     context.CancelCauseFunc
	running sync.WaitGroup
}

var errClosed = errors.New("cluster closed")

// Start starts a cluster and waits until its node is ready. It needs root. The
// cluster ends with Close, with ctx or with this process, whichever is first.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	cfg = cfg.withDefaults()
	p, err := prepare(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	c := &Cluster{parts: p}
	c.life, c.end = context.WithCancelCause(ctx)
	if err := c.begin(cfg); err != nil {
		err = c.cause(err)
		return nil, fmt.Errorf("cluster: %w", errors.Join(err, c.Close()))
	}
	return c, nil
}

// Close ends everything and waits until it has. Nothing is left on this machine
// but the logs, if they have a folder of their own.
func (c *Cluster) Close() error {
	c.end(errClosed)
	c.running.Wait()
	if c.network != nil {
		c.network.Close()
	}
	if c.state == nil {
		return nil
	}
	return c.state.remove()
}

// Done is closed when the cluster has ended, by itself or not; Err says why.
func (c *Cluster) Done() <-chan struct{} { return c.life.Done() }

// Err is why the cluster has ended, nil while it runs.
func (c *Cluster) Err() error { return context.Cause(c.life) }
