package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/braid-csi/braid/hack/cluster/node"
	"github.com/braid-csi/braid/hack/guest"
	"github.com/braid-csi/braid/hack/initramfs"
	"github.com/braid-csi/braid/hack/vm"
)

// unlimited is a machine's life: it ends with the cluster.
const unlimited = 365 * 24 * time.Hour

// boot starts the node's machine. If it ends before the cluster, so does the
// cluster.
func (c *Cluster) boot(ctx context.Context, cfg Config, k *keys, tap *os.File) error {
	root, err := c.nodeFiles(ctx, cfg, k)
	if err != nil {
		return err
	}
	stdout, err := os.Create(filepath.Join(c.Logs, "node.log"))
	if err != nil {
		return err
	}
	stderr, err := os.Create(filepath.Join(c.Logs, "kubelet.log"))
	if err != nil {
		stdout.Close()
		return err
	}
	machine := vm.Config{
		Kernel: c.parts.kernel, Root: root, Memory: cfg.Memory, CPUs: cfg.CPUs, Timeout: unlimited,
		Disks: []string{c.parts.disk}, Tap: tap, Stdout: stdout, Stderr: stderr, Artifacts: c.Logs,
		Command: guest.Command{
			Args: []string{node.Program}, Dir: "/", Modules: node.Modules,
			Root: &guest.Root{Disk: "/dev/vda", Keep: []string{node.Dir}},
		},
	}
	c.running.Go(func() {
		defer stdout.Close()
		defer stderr.Close()
		status, err := vm.Run(c.life, machine)
		if err == nil {
			err = fmt.Errorf("ended by itself with status %d", status.Exit)
		}
		c.end(fmt.Errorf("node %s: %w%s", cfg.NodeName, err, quote(stdout.Name())))
	})
	return nil
}

// nodeFiles is the initramfs: what the machine needs until it has its disk, and
// what is this very node's.
func (c *Cluster) nodeFiles(ctx context.Context, cfg Config, k *keys) (*initramfs.Tree, error) {
	program, err := c.parts.build(ctx, filepath.Base(node.Program), c.state.dir)
	if err != nil {
		return nil, err
	}
	kubelet, err := kubeletConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("configuration of the kubelet: %w", err)
	}
	settings, err := json.Marshal(node.Settings{
		Name: cfg.NodeName, Address: nodeIP + prefix, Gateway: hostIP, Verbosity: cfg.Verbosity,
	})
	if err != nil {
		return nil, err
	}
	root := initramfs.NewTree()
	if err := root.Skeleton(); err != nil {
		return nil, err
	}
	if err := root.Tools(); err != nil {
		return nil, err
	}
	if err := root.KernelModules(c.parts.kernel.Modules(), c.parts.kernel.Release, append(node.Modules, initramfs.Modules...)); err != nil {
		return nil, err
	}
	for _, to := range []string{"/init", node.Program} {
		if err := root.File(to, program); err != nil {
			return nil, err
		}
	}
	root.Content(node.SettingsFile, settings, 0o644)
	root.Content(node.KubeletFile, kubelet, 0o644)
	root.Content(node.KubeconfigFile, k.node.kubeconfig, 0o600)
	root.Content(node.AuthorityFile, k.pool, 0o644)
	root.Content(node.CertFile, k.node.server.Cert, 0o644)
	root.Content(node.KeyFile, k.node.server.Key, 0o600)
	return root, nil
}

// dialNode connects to the node's agent.
func (c *Cluster) dialNode(ctx context.Context) (net.Conn, error) {
	return c.network.Dial(ctx, "tcp", net.JoinHostPort(nodeIP, strconv.Itoa(node.AgentPort)))
}

// nodeSocket lets other programs of this machine in.
func (c *Cluster) nodeSocket() string { return c.state.path("node.sock") }
