package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// maxBody is the largest request that is read, in bytes.
const maxBody = 16 << 10

// layer is what the socket needs of the multipath layer.
type layer interface {
	Snapshot() *multipath.Snapshot
	Reset(ctx context.Context, volumeID string, req ledger.ResetRequest) (ledger.Reset, error)
	Resets(volumeID string) ([]ledger.Reset, error)
	Maintenances() []multipath.Maintenance
	Drain(ctx context.Context, m multipath.Maintenance) error
	Return(ctx context.Context, address nvme.TransportID) error
}

// Server answers on the socket.
type Server struct {
	Layer    layer
	Findings func(volumeID string) ([]health.Finding, bool)
}

// ResetRequest asks for the reset of one volume's counters.
type ResetRequest struct {
	Volume string `json:"volume"`
	Reason string `json:"reason"`
}

// Listen makes the socket, which only root can reach, in the place of one that
// an earlier run left behind.
func Listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/paths", s.paths)
	mux.HandleFunc("GET /v1/resets", s.resets)
	mux.HandleFunc("POST /v1/resets", s.reset)
	mux.HandleFunc("GET /v1/maintenance", s.maintenance)
	mux.HandleFunc("POST /v1/maintenance", s.drain)
	mux.HandleFunc("POST /v1/maintenance/end", s.giveBack)
	h := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withCaller,
	}
	stop := context.AfterFunc(ctx, func() { _ = h.Close() })
	defer stop()
	if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *Server) paths(w http.ResponseWriter, _ *http.Request) {
	snap := s.Layer.Snapshot()
	if snap == nil {
		fail(w, http.StatusServiceUnavailable, errors.New("the first observation of the node is not complete"))
		return
	}
	answer(w, NewReport(snap, s.Findings))
}

func (s *Server) resets(w http.ResponseWriter, r *http.Request) {
	resets, err := s.Layer.Resets(r.URL.Query().Get("volume"))
	if err != nil {
		fail(w, http.StatusNotFound, err)
		return
	}
	answer(w, resets)
}

func (s *Server) reset(w http.ResponseWriter, r *http.Request) {
	var req ResetRequest
	caller, ok := command(w, r, "reset counters", &req)
	if !ok {
		return
	}
	for _, f := range []struct{ name, value string }{{"volume", req.Volume}, {"reason", req.Reason}} {
		if f.value == "" {
			fail(w, http.StatusBadRequest, fmt.Errorf("%s: is empty", f.name))
			return
		}
	}
	reset, err := s.Layer.Reset(r.Context(), req.Volume, ledger.ResetRequest{By: caller.String(), Reason: req.Reason})
	switch {
	case errors.Is(err, multipath.ErrNotStaged):
		fail(w, http.StatusNotFound, err)
	case errors.Is(err, ledger.ErrInvalid):
		fail(w, http.StatusBadRequest, err)
	case err != nil:
		fail(w, http.StatusInternalServerError, err)
	default:
		klog.FromContext(r.Context()).Info("Counters reset", "volume", req.Volume, "by", reset.By, "reason", reset.Reason, "id", reset.ID)
		answer(w, reset)
	}
}

// command reads what root asks for. Where it is not root, or cannot be read, it
// answers that, and ok is false.
func command(w http.ResponseWriter, r *http.Request, what string, into any) (who caller, ok bool) {
	who, ok = callerOf(r.Context())
	if !ok || who.uid != 0 {
		fail(w, http.StatusForbidden, fmt.Errorf("only root may %s", what))
		return who, false
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(into); err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("request: %w", err))
		return who, false
	}
	return who, true
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the caller is gone: nobody to tell
}

// failure is the body of every answer that is no success.
type failure struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(failure{err.Error()})
}
