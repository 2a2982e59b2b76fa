// Command braid-demo tells what Braid does, in about a minute, and checks every
// word of it: a volume with two paths is staged, a path is cut under I/O, and
// braid-node counts, judges and records what happens. It runs in a guest:
//
//	braid-vm run -add bin/braid-node=/usr/bin/braid-node -- bin/braid-demo
//
// Nothing in it is simulated: braid-node is a process of its own and is asked
// over CSI and by its commands, target, host and counters are the kernel's, and
// what braid-node says is held against what the demo reads in sysfs itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/braid-csi/braid/hack/guest"
)

// patience bounds the whole demo.
const patience = 5 * time.Minute

func main() {
	start := time.Now()
	if err := run(); err != nil {
		fmt.Printf("\ndemo: failed: %v\n", err)
		os.Exit(1)
	}
	fmt.Printf("\ndemo: passed in %.0f s\n", time.Since(start).Seconds())
}

func run() error {
	if !guest.Inside() {
		return errors.New("not in a guest: make demo")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := newStory(ctx)
	if err != nil {
		return err
	}
	return errors.Join(s.tell(ctx), s.close())
}
