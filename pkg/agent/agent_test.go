package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	stdpath "path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
)

func TestNew(t *testing.T) {
	found := func(string) ([]health.Finding, bool) { return nil, true }
	for name, c := range map[string]Config{
		"no node":     {API: &rest.Config{}, Findings: found},
		"no API":      {Node: testNode, Findings: found},
		"no findings": {Node: testNode, API: &rest.Config{}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// apiServer answers as an API server with one Node, to which everything is
// attached, and nothing else does, and notes which lists and watches it was asked for.
type apiServer struct {
	mu      sync.Mutex
	refuses int // so many requests get no answer
	asked   []string
	news    chan struct{} // has something once there is more in asked
}

func (a *apiServer) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refuses > 0 {
		a.refuses--
		return nil, errors.New("connection refused")
	}
	q := r.URL.Query()
	resource := stdpath.Base(r.URL.Path)
	switch {
	case r.Method == http.MethodPatch:
		body, err := io.ReadAll(r.Body)
		return answer(r, http.StatusOK, string(body)), err
	case strings.HasPrefix(r.URL.Path, "/api/v1/nodes/"):
		return answer(r, http.StatusOK, `{"apiVersion":"v1","kind":"Node","metadata":{"name":"worker-1","uid":"n-1"}}`), nil
	case strings.Contains(r.URL.Path, "/volumeattachments/"):
		return answer(r, http.StatusOK, `{"apiVersion":"storage.k8s.io/v1","kind":"VolumeAttachment","metadata":{"name":"csi-1"}}`), nil
	case q.Get("sendInitialEvents") != "":
		return answer(r, http.StatusUnprocessableEntity, `{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"Invalid","code":422}`), nil
	case q.Get("watch") != "":
		a.note("watch " + resource + " " + q.Get("fieldSelector"))
		res := answer(r, http.StatusOK, "")
		res.Body = &silence{r.Context()}
		return res, nil
	}
	a.note("list " + resource + " " + q.Get("fieldSelector"))
	kind := `"apiVersion":"braid.dev/v1alpha1","kind":"NVMePathSetList"`
	switch {
	case strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadataList"):
		kind = `"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadataList"`
	case strings.HasSuffix(r.URL.Path, "nvmepathremediations"):
		kind = `"apiVersion":"braid.dev/v1alpha1","kind":"NVMePathRemediationList"`
	case strings.HasSuffix(r.URL.Path, "nvmepathmaintenances"):
		kind = `"apiVersion":"braid.dev/v1alpha1","kind":"NVMePathMaintenanceList"`
	}
	return answer(r, http.StatusOK, `{`+kind+`,"metadata":{"resourceVersion":"1"},"items":[]}`), nil
}

func answer(r *http.Request, code int, body string) *http.Response {
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
	}
}

// silence is a watch on which nothing happens.
type silence struct{ ctx context.Context }

func (s *silence) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (s *silence) Close() error { return nil }

// note remembers a question, and says so.
func (a *apiServer) note(question string) {
	a.asked = append(a.asked, question)
	select {
	case a.news <- struct{}{}:
	default:
	}
}

func (a *apiServer) questions() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

// TestAgent runs one against an API server that is not there at first: it goes
// on by itself once it is, and asks for nothing but its own node's, and policies
// and maintenances, which are nobody's.
func TestAgent(t *testing.T) {
	logger := ktesting.NewLogger(ktesting.NopTL{}, ktesting.NewConfig())
	ctrllog.SetLogger(logger)
	ctx, stop := context.WithCancel(klog.NewContext(t.Context(), logger))
	server := &apiServer{refuses: 3, news: make(chan struct{}, 1)}
	a, err := New(Config{
		Node: testNode, Engine: "native", API: &rest.Config{Host: "http://api.example", Transport: server},
		Findings: func(string) ([]health.Finding, bool) { return nil, true },
	})
	if err != nil {
		t.Fatal(err)
	}
	layer := &fakeLayer{snap: &multipath.Snapshot{At: time.Now(), PathSets: []multipath.PathSet{orders()}}}
	var run sync.WaitGroup
	run.Go(func() { a.Run(ctx, layer) })
	a.Publish(layer.snap)
	if err := a.Reported(ctx, "orders"); err != nil {
		t.Errorf("Reported: %v", err)
	}
	if uid, err := a.NodeUID(ctx); uid != "n-1" || err != nil {
		t.Errorf("NodeUID: %q, %v", uid, err)
	}
	own := " spec.nodeName=" + testNode
	for _, what := range []string{"nvmepathsets" + own, "nvmepathremediations" + own, "nvmepathmaintenances "} {
		for q := "watch " + what; !slices.Contains(server.questions(), q); {
			select {
			case <-server.news:
			case <-time.After(time.Minute):
				t.Fatalf("never asked to %s, but to %q", q, server.questions())
			}
		}
	}
	for _, q := range server.questions() {
		if !strings.HasSuffix(q, own) && !strings.Contains(q, " nvmepathpolicies") && !strings.Contains(q, " nvmepathmaintenances") {
			t.Errorf("asked for other nodes' too: %s", q)
		}
	}
	stop()
	run.Wait()
}

// TestInUseOrphan: a device that a staged volume accounts for is no sign that
// another volume of that namespace is in use.
func TestInUseOrphan(t *testing.T) {
	set := orders()
	spec := specOf(testNode, &set)
	for _, tc := range []struct {
		staged, used, want bool
	}{{false, false, false}, {false, true, true}, {true, true, false}} {
		l := &fakeLayer{used: tc.used, snap: new(multipath.Snapshot)}
		if tc.staged {
			l.snap.PathSets = []multipath.PathSet{logs()}
		}
		if got, err := inUse(t.Context(), l, spec); got != tc.want || err != nil {
			t.Errorf("%+v: %t, %v", tc, got, err)
		}
		if want := fmt.Sprint(set.SubsystemNQN, " ", set.Namespace); !tc.staged && l.asked != want {
			t.Errorf("asked about %q, want %q", l.asked, want)
		}
	}
}
