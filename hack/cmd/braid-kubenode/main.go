// Command braid-kubenode is a test cluster's node from within: as /init it is
// the guest's first process, after that what keeps containerd and the kubelet
// running. Nobody starts it by hand; braid-cluster does.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/braid-csi/braid/hack/cluster/node"
	"github.com/braid-csi/braid/hack/guest"
)

func main() {
	if guest.IsInit() {
		guest.Main()
	}
	if err := node.Run(context.Background()); err != nil {
		fmt.Printf("braid-kubenode: %v\n", err)
		os.Exit(1)
	}
}
