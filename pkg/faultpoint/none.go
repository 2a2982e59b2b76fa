//go:build !faultpoints

package faultpoint

// Before does nothing.
func Before(_, _ string) {}
