// Command braid-rig is a test target on a cluster's node. It builds one as it
// is told on standard input, breaks and mends it, and reads the node's sysfs;
// when its input ends it takes the target down. Nobody starts it by hand: see
// package rig/remote.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/braid-csi/braid/hack/guest"
	"github.com/braid-csi/braid/hack/rig/remote"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "braid-rig: %v\n", err)
		os.Exit(1)
	}
}

// run keeps targets off people's own machines.
func run() error {
	if !guest.Inside() {
		return errors.New("not in a guest: it makes NVMe targets and network namespaces")
	}
	return remote.Serve(os.Stdin, os.Stdout)
}
