package cluster

import (
	"context"
	"errors"
	"net"
	"os"

	"github.com/braid-csi/braid/hack/cluster/netns"
)

// The addresses in a cluster. Every cluster has the same: each is alone in its
// namespace.
const (
	hostIP      = "198.51.100.10" // TEST-NET-2: nobody's outside, and not the storage network's
	nodeIP      = "198.51.100.11"
	prefix      = "/24"
	podCIDR     = "10.244.0.0/24" // also in the node's CNI configuration
	serviceCIDR = "10.96.0.0/16"
	apiService  = "10.96.0.1" // the first of serviceCIDR, by convention
	apiPort     = "443"       // the service's, so that no address is translated
	tapName     = "node0"
)

// Dial connects to a port inside, of a pod or of the node, past Kubernetes.
func (c *Cluster) Dial(ctx context.Context, address string) (net.Conn, error) {
	return c.network.Dial(ctx, "tcp", address)
}

// NodeIP is the node's address inside.
func (c *Cluster) NodeIP() string { return nodeIP }

// newNetwork makes the namespace and the node's cable, which the caller closes
// once a machine has it.
func newNetwork() (*netns.Namespace, *os.File, error) {
	n, err := netns.New()
	if err != nil {
		return nil, nil, err
	}
	tap, err := n.Tap(tapName)
	if err != nil {
		n.Close()
		return nil, nil, err
	}
	err = errors.Join(
		n.Address("lo", apiService+"/32"),
		n.Address(tapName, hostIP+prefix),
	)
	if err == nil {
		// The API server reaches pods: webhooks, for one.
		err = n.Route(podCIDR, nodeIP)
	}
	if err != nil {
		tap.Close()
		n.Close()
		return nil, nil, err
	}
	return n, tap, nil
}
