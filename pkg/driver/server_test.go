package driver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/volume"
)

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "csi.sock")
	first, err := Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("socket: %v, %v", info.Mode(), err)
	}
	if _, err := Listen(t.Context(), "unix:"+path); err == nil {
		t.Error("a socket was taken from the process that serves it")
	}
	// A process that is killed leaves its socket behind.
	first.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := Listen(t.Context(), "unix://"+path)
	if err != nil {
		t.Fatalf("stale socket: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), path); err == nil {
		t.Error("a file was replaced by a socket")
	}
	if _, err := Listen(t.Context(), filepath.Join(path, "x")); err == nil {
		t.Error("listening below a file succeeded")
	}
}

func TestPanicIsOneCallsOwn(t *testing.T) {
	r := newRig(t)
	r.paths.fail = func(string) error { panic("secret plans") }
	_, err := r.NodeStageVolume(t.Context(), r.stageRequest())
	wantCode(t, "NodeStageVolume", err, codes.Internal)
	if strings.Contains(err.Error(), "plans") {
		t.Errorf("the panic went out: %v", err)
	}
	if log := r.log.String(); !strings.Contains(log, "secret plans") || !strings.Contains(log, "goroutine") {
		t.Errorf("the panic was not logged:\n%s", log)
	}
}

func TestLogHasTheCallAndNoSecrets(t *testing.T) {
	r := newRig(t)
	req := r.stageRequest()
	req.Secrets = map[string]string{"key": "hunter2"}
	if _, err := r.NodeStageVolume(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	req.StagingTargetPath = ""
	_, err := r.NodeStageVolume(t.Context(), req)
	wantCode(t, "NodeStageVolume", err, codes.InvalidArgument)
	log := r.log.String()
	for _, want := range []string{`method="NodeStageVolume"`, `volumeID="vol-1"`, "duration=", "InvalidArgument"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not have %s:\n%s", want, log)
		}
	}
	if strings.Contains(log, "hunter2") {
		t.Errorf("the log has a secret:\n%s", log)
	}
}

// Serve ends in time although a call hangs, and lets a call finish that does
// not.
func TestServeEnds(t *testing.T) {
	for _, hangs := range []bool{false, true} {
		t.Run(fmt.Sprintf("hangs=%t", hangs), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				entered, finish := make(chan struct{}), make(chan struct{})
				d := &Driver{Config: Config{Probe: func(context.Context) error {
					close(entered)
					<-finish
					return nil
				}}}
				listener := newPipeListener()
				ctx, stop := context.WithCancel(t.Context())
				served := make(chan error)
				go func() { served <- d.Serve(ctx, listener) }()
				conn, err := grpc.NewClient("passthrough:pipe", grpc.WithTransportCredentials(insecure.NewCredentials()),
					grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return listener.dial() }))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				answer := make(chan error, 1)
				go func() {
					_, err := csi.NewIdentityClient(conn).Probe(t.Context(), &csi.ProbeRequest{})
					answer <- err
				}()
				<-entered
				started := time.Now()
				stop()
				if !hangs {
					<-time.After(time.Second)
					close(finish)
				}
				if err := <-served; err != nil {
					t.Errorf("Serve: %v", err)
				}
				if took := time.Since(started); took > stopTimeout+time.Second || !hangs && took > 2*time.Second {
					t.Errorf("Serve took %s to end", took)
				}
				if err := <-answer; (err != nil) != hangs {
					t.Errorf("the call: %v", err)
				}
				if hangs {
					close(finish)
				}
			})
		})
	}
}

// pipeListener accepts connections that lie in memory.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial() (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func TestHealthz(t *testing.T) {
	var sick error
	d := &Driver{Config: Config{Probe: func(context.Context) error { return sick }}}
	for _, tt := range []struct {
		method, path string
		sick         error
		want         int
	}{
		{http.MethodGet, "/healthz", nil, http.StatusOK},
		{http.MethodHead, "/healthz", nil, http.StatusOK},
		{http.MethodGet, "/healthz", errors.New("nvme_core has multipath off"), http.StatusServiceUnavailable},
		{http.MethodPost, "/healthz", nil, http.StatusMethodNotAllowed},
		{http.MethodGet, "/", nil, http.StatusNotFound},
	} {
		sick = tt.sick
		w := httptest.NewRecorder()
		d.Healthz().ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.want || sick != nil && !strings.Contains(w.Body.String(), sick.Error()) {
			t.Errorf("%s %s (%v): %d %q, want %d", tt.method, tt.path, sick, w.Code, w.Body, tt.want)
		}
	}
	sick = errTest
	_, err := d.Probe(t.Context(), &csi.ProbeRequest{})
	wantCode(t, "Probe", statusOf(err), codes.FailedPrecondition, errTest.Error())
}

func TestCodes(t *testing.T) {
	for err, want := range map[error]codes.Code{
		errBadRequest:            codes.InvalidArgument,
		volume.ErrUnsupported:    codes.InvalidArgument,
		errBusy:                  codes.Aborted,
		volume.ErrBusy:           codes.Aborted,
		multipath.ErrConflict:    codes.AlreadyExists,
		volume.ErrDifferent:      codes.AlreadyExists,
		errNotFound:              codes.NotFound,
		multipath.ErrNoNamespace: codes.NotFound,
		multipath.ErrNoPath:      codes.Unavailable,
		errNotReady:              codes.Unavailable,
		errOutOfRange:            codes.OutOfRange,
		errPrecondition:          codes.FailedPrecondition,
		multipath.ErrBusy:        codes.FailedPrecondition,
		multipath.ErrNotStaged:   codes.FailedPrecondition,
		multipath.ErrUnsupported: codes.FailedPrecondition,
		volume.ErrForeignContent: codes.FailedPrecondition,
		volume.ErrEmptyReadOnly:  codes.FailedPrecondition,
		volume.ErrOccupied:       codes.FailedPrecondition,
		volume.ErrReadOnly:       codes.FailedPrecondition,
		volume.ErrCorrupt:        codes.Internal,
		volume.ErrWrongDevice:    codes.Internal,
		errPanic:                 codes.Internal,
		context.Canceled:         codes.Canceled,
		context.DeadlineExceeded: codes.DeadlineExceeded,
		fmt.Errorf("%w: %w", volume.ErrBusy, context.DeadlineExceeded):           codes.DeadlineExceeded,
		fmt.Errorf("%w after %w", multipath.ErrNoPath, context.DeadlineExceeded): codes.Unavailable,
	} {
		if got := code(fmt.Errorf("wrapped: %w", err)); got != want {
			t.Errorf("code(%v): %s, want %s", err, got, want)
		}
	}
}
