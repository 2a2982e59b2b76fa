//go:build !faultpoints

package faultpoint

import "net/http"

// Before does nothing.
func Before(_, _ string) {}

// Transport returns what it is given.
func Transport(next http.RoundTripper) http.RoundTripper { return next }
