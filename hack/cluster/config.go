// Package cluster starts a Kubernetes cluster that nothing on this machine
// notices, and whose node is a virtual machine with a real NVMe kernel.
//
//	 this machine                         network namespace without a name
//	┌───────────────────────┐   ┌─────────────────────────────────────────────────┐
//	│ kubectl, tests        │   │ etcd  apiserver  controller-manager  scheduler  │
//	│   │ 127.0.0.1:port    │   │         ▲ 198.51.100.10, 10.96.0.1:443          │
//	│   └──── forwarded ────┼───┼─────────┘                                       │
//	│ Node.Run ─────────────┼───┼──► tap ══ QEMU: 198.51.100.11, pods 10.244/24   │
//	└───────────────────────┘   │          agent, containerd, kubelet             │
//	                            └─────────────────────────────────────────────────┘
//
// There is no kube-proxy and no DNS: the service that matters, kubernetes, has
// its address in the namespace itself, and pods reach it by routing.
package cluster

import (
	"cmp"
	"runtime"
	"time"
)

// Config describes a cluster. The zero value is a useful one.
type Config struct {
	// Kernel is the node's: a spec of package kernel.
	Kernel string
	// ControlPlaneOnly leaves out the node.
	ControlPlaneOnly bool
	// NodeName is the node's name; Memory is in MiB.
	NodeName     string
	Memory, CPUs int
	// FeatureGates are set for all programs.
	FeatureGates map[string]bool
	// APIServerFlags are more flags for it: --runtime-config=...
	APIServerFlags []string
	// ControllerManagerFlags are more flags for kube-controller-manager:
	// --node-monitor-grace-period=...
	ControllerManagerFlags []string
	// Kubelet overrides fields of its KubeletConfiguration.
	Kubelet map[string]any
	// Kubelet136 gives the node the kubelet of Kubernetes 1.36, an older one
	// than the rest of the cluster.
	Kubelet136 bool
	// Verbosity is how much the kubelet logs.
	Verbosity int
	// Images are the tarballs of images the node has, as package image writes them.
	Images []string
	// Logs is the folder for all logs. If empty they go with the cluster.
	Logs string
	// StartTimeout bounds Start, but not what is built only once.
	StartTimeout time.Duration
	// Progress tells the user what takes long.
	Progress func(format string, args ...any)
}

func (c Config) withDefaults() Config {
	c.NodeName = cmp.Or(c.NodeName, "node1")
	c.Memory = cmp.Or(c.Memory, 4096)
	c.CPUs = cmp.Or(c.CPUs, min(2, runtime.NumCPU()))
	c.Verbosity = cmp.Or(c.Verbosity, 2)
	c.StartTimeout = cmp.Or(c.StartTimeout, 5*time.Minute)
	if c.Progress == nil {
		c.Progress = func(string, ...any) {}
	}
	return c
}
