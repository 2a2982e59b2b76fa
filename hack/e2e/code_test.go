package e2e

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// wantCode wants a call to be refused with that code and words that help.
func wantCode(t *testing.T, err error, want codes.Code, words ...string) {
	t.Helper()
	got := status.Convert(err)
	if got.Code() != want {
		t.Errorf("%s, want %s: %s", got.Code(), want, got.Message())
		return
	}
	for _, w := range words {
		if !strings.Contains(got.Message(), w) {
			t.Errorf("%s: %q does not name %q", got.Code(), got.Message(), w)
		}
	}
}
