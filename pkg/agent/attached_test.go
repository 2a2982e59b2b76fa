package agent

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/braid-csi/braid/pkg/attachment"
	"github.com/braid-csi/braid/pkg/health"
)

// transport answers a request without a network.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// TestAttached: a volume that is being taken away is not mounted, and neither
// is one of which nobody can tell.
func TestAttached(t *testing.T) {
	name := attachment.Name("orders", testNode)
	object := func(more string) string {
		return `{"apiVersion":"storage.k8s.io/v1","kind":"VolumeAttachment","metadata":{"name":"` + name + `"` + more + `}}`
	}
	for what, tt := range map[string]struct {
		code int
		body string
		want string // in the error; none if empty
		lost bool   // the error says that the volume is not attached
	}{
		"attached":      {http.StatusOK, object(""), "", false},
		"being deleted": {http.StatusOK, object(`,"deletionTimestamp":"2026-11-22T12:00:00Z"`), name + " is being deleted", true},
		"gone": {http.StatusNotFound, `{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"NotFound","code":404}`,
			name + " is gone", true},
		"not to be told": {http.StatusForbidden, `{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"Forbidden","message":"not yours","code":403}`,
			"not yours", false},
	} {
		t.Run(what, func(t *testing.T) {
			asked := ""
			a, err := New(Config{
				Node: testNode, Findings: func(string) ([]health.Finding, bool) { return nil, true },
				API: &rest.Config{Host: "http://api.example", Transport: transport(func(r *http.Request) (*http.Response, error) {
					asked = r.URL.Path
					return answer(r, tt.code, tt.body), nil
				})},
			})
			if err != nil {
				t.Fatal(err)
			}
			err = a.attached(t.Context(), "orders")
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if errors.Is(err, errNotAttached) != tt.lost {
				t.Errorf("error %v: is errNotAttached %t, want %t", err, !tt.lost, tt.lost)
			}
			if want := "/apis/storage.k8s.io/v1/volumeattachments/" + name; asked != want {
				t.Errorf("asked for %s, want %s", asked, want)
			}
		})
	}
}
