package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
)

// Client asks the braid-node that listens on a socket.
type Client struct{ http *http.Client }

// NewClient returns a client for the socket; it connects when it asks.
func NewClient(socket string) *Client {
	var d net.Dialer
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
	}}}
}

// Paths returns what braid-node knows of its volumes.
func (c *Client) Paths(ctx context.Context) (Report, error) {
	var r Report
	return r, c.do(ctx, http.MethodGet, "/v1/paths", nil, &r)
}

// Reset resets a volume's counters and returns the record of it.
func (c *Client) Reset(ctx context.Context, req ResetRequest) (ledger.Reset, error) {
	var r ledger.Reset
	return r, c.do(ctx, http.MethodPost, "/v1/resets", req, &r)
}

// Resets returns the resets of a volume on record, oldest first.
func (c *Client) Resets(ctx context.Context, volumeID string) ([]ledger.Reset, error) {
	var r []ledger.Reset
	return r, c.do(ctx, http.MethodGet, "/v1/resets?volume="+url.QueryEscape(volumeID), nil, &r)
}

// Maintenance returns the addresses that are under maintenance.
func (c *Client) Maintenance(ctx context.Context) ([]multipath.Maintenance, error) {
	var list []multipath.Maintenance
	return list, c.do(ctx, http.MethodGet, "/v1/maintenance", nil, &list)
}

// Drain begins maintenance of an address.
func (c *Client) Drain(ctx context.Context, req MaintenanceRequest) ([]multipath.Maintenance, error) {
	var list []multipath.Maintenance
	return list, c.do(ctx, http.MethodPost, "/v1/maintenance", req, &list)
}

// Return ends it, and returns when the paths are back.
func (c *Client) Return(ctx context.Context, address string) error {
	return c.do(ctx, http.MethodPost, "/v1/maintenance/end", MaintenanceRequest{Address: address}, new(any))
}

func (c *Client) do(ctx context.Context, method, path string, body, into any) error {
	var payload bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&payload).Encode(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://braid-node"+path, &payload)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask braid-node: %w", errors.Unwrap(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var f failure
		if err := json.NewDecoder(resp.Body).Decode(&f); err != nil || f.Error == "" {
			return fmt.Errorf("braid-node answered %s", resp.Status)
		}
		return errors.New(f.Error)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
