package driver

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// healthzTimeout bounds a liveness probe.
const healthzTimeout = 5 * time.Second

// Healthz answers GET /healthz with 200 as long as Probe succeeds: the
// liveness probe of the container. It does not depend on any volume: restarting
// the plugin repairs no path.
func (d *Driver) Healthz() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), healthzTimeout)
		defer cancel()
		if err := d.probe(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}
