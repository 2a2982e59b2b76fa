// Command braid-capture records what the kernel's NVMe sysfs looks like in
// states that matter, as fixtures for tests that need no kernel. It runs in a
// guest and leaves one file for each state in /out/RELEASE:
//
//	live              two paths to two namespaces, some failovers counted
//	path-down         path 1 refuses connections, its controller is connecting
//	ana-inaccessible  namespace 1 is inaccessible through path 1
//	no-path           both paths are down
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/braid-csi/braid/hack/guest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "braid-capture: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	if !guest.Inside() {
		return errors.New("not in a guest: braid-vm run -o DIR -- braid-capture")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	s, err := newScene(ctx)
	if err != nil {
		return err
	}
	return errors.Join(s.play(ctx), s.rig.Close())
}
