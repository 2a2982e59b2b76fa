//go:build faultpoints

package faultpoint

import (
	"fmt"
	"io"
	"net"
	"net/http"
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

// Transport asks before each request that is not just a question.
func Transport(next http.RoundTripper) http.RoundTripper { return transport{next} }

type transport struct{ next http.RoundTripper }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		Before(r.Method, r.URL.Path)
	}
	return t.next.RoundTrip(r)
}
