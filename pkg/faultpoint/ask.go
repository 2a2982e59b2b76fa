//go:build faultpoints

package faultpoint

import (
	"fmt"
	"io"
	"net"
)

// Before tells whoever listens on Socket what is about to be done to what, and
// waits until it may be. Where nobody listens it may.
func Before(step, object string) {
	conn, err := net.Dial("unix", Socket)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	fmt.Fprintf(conn, "%s %s\n", step, object)
	_, _ = io.Copy(io.Discard, conn) // ends when the listener is done with the step
}
