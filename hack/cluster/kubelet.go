package cluster

import (
	"encoding/json"
	"maps"

	"github.com/braid-csi/braid/hack/cluster/node"
)

type fields = map[string]any

// kubeletConfig is a KubeletConfiguration as JSON, which is YAML.
func kubeletConfig(cfg Config) ([]byte, error) {
	config := fields{
		"apiVersion":               "kubelet.config.k8s.io/v1beta1",
		"kind":                     "KubeletConfiguration",
		"containerRuntimeEndpoint": "unix://" + node.Socket,
		"cgroupDriver":             "cgroupfs", // no systemd in the node
		"authentication": fields{
			"x509":      fields{"clientCAFile": node.AuthorityFile},
			"anonymous": fields{"enabled": false},
			"webhook":   fields{"enabled": true},
		},
		"authorization":          fields{"mode": "Webhook"},
		"tlsCertFile":            node.CertFile,
		"tlsPrivateKeyFile":      node.KeyFile,
		"clusterDomain":          "cluster.local",
		"failSwapOn":             false,
		"makeIPTablesUtilChains": false, // there is no iptables
		// The node's disk is memory, and nothing is collected from it.
		"evictionHard":                fields{"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
		"imageGCHighThresholdPercent": 100,
		// Tests wait for what the kubelet does by the clock.
		"nodeStatusUpdateFrequency": "4s",
		"syncFrequency":             "10s",
		"volumeStatsAggPeriod":      "5s",
		"crashLoopBackOff":          fields{"maxContainerRestartPeriod": "1s"},
		"featureGates":              cfg.FeatureGates,
	}
	maps.Copy(config, cfg.Kubelet)
	return json.MarshalIndent(config, "", "  ")
}
