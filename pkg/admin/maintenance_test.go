package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/multipath"
)

func TestMaintenance(t *testing.T) {
	root, other := caller{uid: 0, pid: 7}, caller{uid: 1000}
	drained := []string{"drain tcp://192.0.2.1:4420 / root (uid 0, pid 7) / new switch / 1h0m0s"}
	returned := []string{"return tcp://192.0.2.1:4420"}
	const body = `{"address":"tcp://192.0.2.1","reason":"new switch","for":"1h"}`
	drain, giveBack := (*Server).drain, (*Server).giveBack
	for _, tc := range []struct {
		name   string
		who    caller
		ask    func(*Server, http.ResponseWriter, *http.Request)
		body   string
		err    error
		status int
		words  string
		asked  []string
	}{
		{"drain", root, drain, body, nil, http.StatusOK, "null", drained},
		{"drain, not root", other, drain, body, nil, http.StatusForbidden, "only root may drain paths", nil},
		{"drain, no address", root, drain, `{"reason":"x","for":"1h"}`, nil, http.StatusBadRequest, "address: ", nil},
		{"drain, a name", root, drain, `{"address":"target-1","reason":"x","for":"1h"}`, nil, http.StatusBadRequest, "address: ", nil},
		{"drain, for ever", root, drain, `{"address":"192.0.2.1","reason":"x","for":"ever"}`, nil, http.StatusBadRequest, "for: ", nil},
		{"drain the last path", root, drain, body, multipath.ErrLastPath, http.StatusConflict, "no other usable path", drained},
		{"drain, refused", root, drain, body, multipath.ErrInvalid, http.StatusBadRequest, "", drained},
		{"end", root, giveBack, `{"address":"192.0.2.1:4420"}`, nil, http.StatusOK, "{}", returned},
		{"end, not root", other, giveBack, `{"address":"192.0.2.1:4420"}`, nil, http.StatusForbidden, "only root", nil},
		{"end, no maintenance", root, giveBack, `{"address":"192.0.2.1"}`, multipath.ErrNoMaintenance, http.StatusNotFound, "", returned},
		{"end, not back", root, giveBack, `{"address":"192.0.2.1"}`, multipath.ErrNoPath, http.StatusGatewayTimeout, "", returned},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fakeLayer{err: tc.err}
			ctx := context.WithValue(t.Context(), callerKey{}, tc.who)
			w := httptest.NewRecorder()
			tc.ask(&Server{Layer: f}, w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(tc.body)))
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.words) {
				t.Errorf("answer %d %s, want %d with %q", w.Code, w.Body, tc.status, tc.words)
			}
			if diff := cmp.Diff(tc.asked, f.asked); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
		})
	}
}
