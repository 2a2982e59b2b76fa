package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Kubectl runs kubectl as the administrator and returns what it printed.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	return c.kubectl(ctx, "", args...)
}

// Apply creates or changes objects, given as YAML or JSON.
func (c *Cluster) Apply(ctx context.Context, manifest string) error {
	_, err := c.kubectl(ctx, manifest, "apply", "--filename=-")
	return err
}

func (c *Cluster) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.parts.programs.Path("kubectl"), args...)
	cmd.Env = c.Env()
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
		return stdout.String(), c.cause(err)
	}
	return stdout.String(), nil
}

// NodeVariable names the socket of the node's agent in Env.
const NodeVariable = "BRAID_NODE"

// Env is what a client of the cluster needs: kubectl on the path, its
// configuration, a cache that goes with the cluster, and the way to the node.
func (c *Cluster) Env() []string {
	return []string{
		"KUBECONFIG=" + c.Kubeconfig,
		NodeVariable + "=" + c.nodeSocket(),
		"KUBECACHEDIR=" + c.state.path("kubectl"),
		"HOME=" + c.state.dir,
		"PATH=" + c.parts.programs.Dir + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	}
}

// AddNode creates a node nobody is behind: volumes can be attached to it, pods
// bound to it. It never becomes ready. The annotation is a kubelet's, and
// leaves attaching to the attach/detach controller.
func (c *Cluster) AddNode(ctx context.Context, name string) error {
	return c.Apply(ctx, fmt.Sprintf(`{"apiVersion": "v1", "kind": "Node", "metadata": {"name": %q, "annotations":
		{"volumes.kubernetes.io/controller-managed-attach-detach": "true"}}}`, name))
}
