package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

// returnWait is for how long the end of maintenance waits for paths.
const returnWait = 25 * time.Second

// MaintenanceRequest asks that the paths to an address be drained, or brought
// back.
type MaintenanceRequest struct {
	// Address is ADDRESS[:PORT], also with tcp:// before it.
	Address string `json:"address"`
	// Reason is why they are drained, For how long that may take, such as "2h".
	Reason string `json:"reason,omitempty"`
	For    string `json:"for,omitempty"`
}

func (s *Server) maintenance(w http.ResponseWriter, _ *http.Request) {
	answer(w, s.Layer.Maintenances())
}

func (s *Server) drain(w http.ResponseWriter, r *http.Request) {
	caller, req, address, ok := addressed(w, r, "drain paths")
	if !ok {
		return
	}
	lasts, err := time.ParseDuration(req.For)
	if err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("for: %w", err))
		return
	}
	now := time.Now()
	m := multipath.Maintenance{Address: address, By: caller.String(), Reason: req.Reason, Since: now, Until: now.Add(lasts)}
	if err := s.Layer.Drain(r.Context(), m); err != nil {
		fail(w, maintenanceCode(err), err)
		return
	}
	klog.FromContext(r.Context()).Info("Maintenance began", "address", address.String(), "by", m.By, "reason", m.Reason, "until", m.Until)
	answer(w, s.Layer.Maintenances())
}

func (s *Server) giveBack(w http.ResponseWriter, r *http.Request) {
	caller, _, address, ok := addressed(w, r, "end maintenance")
	if !ok {
		return
	}
	klog.FromContext(r.Context()).Info("Maintenance is to end", "address", address.String(), "by", caller.String())
	ctx, cancel := context.WithTimeout(r.Context(), returnWait)
	defer cancel()
	if err := s.Layer.Return(ctx, address); err != nil {
		fail(w, maintenanceCode(err), err)
		return
	}
	answer(w, struct{}{})
}

// addressed reads a request of root's, and the address that it is about. Where
// that cannot be done it answers so, and ok is false.
func addressed(w http.ResponseWriter, r *http.Request, what string) (who caller, req MaintenanceRequest, address nvme.TransportID, ok bool) {
	if who, ok = command(w, r, what, &req); !ok {
		return who, req, address, false
	}
	address, err := nvme.ParseAddress(strings.TrimPrefix(req.Address, string(nvme.TransportTCP)+"://"))
	if err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("address: %w", err))
	}
	return who, req, address, err == nil
}

func maintenanceCode(err error) int {
	switch {
	case errors.Is(err, multipath.ErrInvalid):
		return http.StatusBadRequest
	case errors.Is(err, multipath.ErrNoMaintenance):
		return http.StatusNotFound
	case errors.Is(err, multipath.ErrLastPath), errors.Is(err, multipath.ErrUnfit):
		return http.StatusConflict
	case errors.Is(err, multipath.ErrNoPath):
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}
