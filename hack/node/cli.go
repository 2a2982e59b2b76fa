package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"

	"github.com/braid-csi/braid/pkg/admin"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
)

// CLI runs a command of braid-node as root and returns what it prints. The
// error has what it said on standard error.
func CLI(ctx context.Context, args ...string) (string, error) { return cli(ctx, nil, args) }

// CLIAs runs one as another user.
func CLIAs(ctx context.Context, uid uint32, args ...string) (string, error) {
	return cli(ctx, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}, args)
}

func cli(ctx context.Context, attr *syscall.SysProcAttr, args []string) (string, error) {
	cmd := exec.CommandContext(ctx, Binary, args...)
	cmd.SysProcAttr = attr
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("braid-node %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

func cliJSON(ctx context.Context, into any, args ...string) error {
	out, err := CLI(ctx, append(args, "-o", "json")...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		return fmt.Errorf("braid-node %s: %w: %q", args[0], err, out)
	}
	return nil
}

// errUnknownVolume: braid-node's report does not have the volume.
var errUnknownVolume = errors.New("volume is not in braid-node's report")

// Report is what `braid-node paths` says of all volumes.
func (n *Node) Report(ctx context.Context) (admin.Report, error) {
	var r admin.Report
	return r, cliJSON(ctx, &r, "paths")
}

// Paths is what it says of one.
func (n *Node) Paths(ctx context.Context, v Volume) (admin.Volume, error) {
	r, err := n.Report(ctx)
	if err != nil {
		return admin.Volume{}, err
	}
	for _, have := range r.Volumes {
		if have.ID == v.ID {
			return have, nil
		}
	}
	return admin.Volume{}, fmt.Errorf("%s: %w", v.ID, errUnknownVolume)
}

// Reset runs `braid-node reset`.
func (n *Node) Reset(ctx context.Context, volumeID, reason string) (ledger.Reset, error) {
	var r ledger.Reset
	return r, cliJSON(ctx, &r, "reset", "-volume", volumeID, "-reason", reason)
}

// Drain runs `braid-node drain`.
func (n *Node) Drain(ctx context.Context, address netip.AddrPort, reason string) ([]multipath.Maintenance, error) {
	var list []multipath.Maintenance
	return list, cliJSON(ctx, &list, "drain", "-address", address.String(), "-reason", reason)
}

// Undrain runs `braid-node undrain`, which returns when the paths are back.
func (n *Node) Undrain(ctx context.Context, address netip.AddrPort) error {
	return cliJSON(ctx, new(any), "undrain", "-address", address.String())
}

// Resets runs `braid-node resets`.
func (n *Node) Resets(ctx context.Context, v Volume) ([]ledger.Reset, error) {
	var r []ledger.Reset
	return r, cliJSON(ctx, &r, "resets", "-volume", v.ID)
}
