package main

import (
	"slices"
	"testing"
)

func TestGuestFlags(t *testing.T) {
	got := guestFlags([]string{
		"-test.paniconexit0", "-test.testlogfile=/tmp/go-build1/b001/testlog.txt", "-test.timeout=10m0s",
		"-test.coverprofile=/tmp/go-build1/b001/_cover_.out", "-test.run=^TestX$", "-custom", "-test.trace",
	})
	want := []string{"-test.paniconexit0", "-test.timeout=10m0s", "-test.run=^TestX$", "-custom"}
	if !slices.Equal(got, want) {
		t.Errorf("guestFlags = %q, want %q", got, want)
	}
}
