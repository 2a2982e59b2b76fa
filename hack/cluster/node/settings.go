// Package node runs inside a cluster's node: it makes a Kubernetes node of a
// guest that has booted from the node's disk, and lets the host in.
package node

import (
	"encoding/json"
	"fmt"
	"os"
)

// The files the host leaves for a node, and the program that reads them.
const (
	Dir            = "/etc/braid"
	Program        = Dir + "/braid-kubenode"
	SettingsFile   = Dir + "/node.json"
	KubeletFile    = Dir + "/kubelet.json"
	KubeconfigFile = Dir + "/kubeconfig"
	AuthorityFile  = Dir + "/ca.crt"
	CertFile       = Dir + "/kubelet.crt"
	KeyFile        = Dir + "/kubelet.key"
)

// AgentPort is where the node lets the host in.
const AgentPort = 10999

// Socket is containerd's.
const Socket = "/run/containerd/containerd.sock"

// Modules are loaded before the node has its own root. All others are on the
// disk, for modprobe or when the kernel asks for them. The kubelet keeps a loop
// device on every raw block volume, and without systemd nobody else sees to it
// that it can.
var Modules = []string{"virtio_blk", "virtio_net", "overlay", "loop"}

// Settings are what one node has for itself.
type Settings struct {
	Name string `json:"name"`
	// Address is the node's, in CIDR notation.
	Address string `json:"address"`
	Gateway string `json:"gateway"`
	// Verbosity is the kubelet's.
	Verbosity int `json:"verbosity"`
}

func readSettings() (Settings, error) {
	var s Settings
	b, err := os.ReadFile(SettingsFile)
	if err != nil {
		return s, fmt.Errorf("settings: %w", err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("settings: %s: %w", SettingsFile, err)
	}
	return s, nil
}
