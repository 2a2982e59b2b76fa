package native

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/durable"
	"github.com/braid-csi/braid/pkg/nvme"
)

// uuidNQN is the prefix of host names that carry the host ID
// (NVM Express Base Specification 2.1, section 4.7).
const uuidNQN = "nqn.2014-08.org.nvmexpress:uuid:"

// Host returns the identity that this node presents, decided once: the one
// that is live on the node, else the one in /etc/nvme, else one of Braid's
// own, kept in its state directory. Two identities on one node would make a
// target that checks hosts refuse one of them.
func (e *Engine) Host(ctx context.Context) (Host, error) {
	e.hostMu.Lock()
	defer e.hostMu.Unlock()
	if e.host.NQN != "" {
		return e.host, nil
	}
	for _, source := range []struct {
		name string
		find func(context.Context) (Host, error)
	}{{"live controllers", e.liveHost}, {e.etc, e.configuredHost}, {e.state, e.ownHost}} {
		h, err := source.find(ctx)
		if err != nil {
			return Host{}, fmt.Errorf("host identity from %s: %w", source.name, err)
		}
		if h.NQN != "" {
			klog.FromContext(ctx).Info("Host identity", "hostNQN", h.NQN, "hostID", h.ID, "source", source.name)
			e.host = h
			return h, nil
		}
	}
	return Host{}, errors.New("no host identity") // ownHost makes one or fails
}

// liveHost returns the identity of the connected controllers. Where there are
// several, /etc/nvme decides among them, else the first by name.
func (e *Engine) liveHost(ctx context.Context) (Host, error) {
	obs, err := e.Observe(ctx)
	if err != nil {
		return Host{}, err
	}
	var live []Host
	for _, s := range obs.Subsystems {
		for _, c := range s.Controllers {
			if h := (Host{NQN: c.HostNQN, ID: c.HostID}); h.NQN != "" && h.ID != "" && !slices.Contains(live, h) {
				live = append(live, h)
			}
		}
	}
	if len(live) == 0 {
		return Host{}, nil
	}
	slices.SortFunc(live, func(a, b Host) int { return strings.Compare(string(a.NQN), string(b.NQN)) })
	if h, err := e.configuredHost(ctx); err == nil && slices.Contains(live, h) {
		return h, nil
	}
	return live[0], nil
}

// configuredHost reads /etc/nvme/hostnqn and hostid, as nvme-cli does.
func (e *Engine) configuredHost(context.Context) (Host, error) {
	etc := newAttributes(e.etc)
	name, err := etc.read("hostnqn")
	if errors.Is(err, errGone) || err == nil && strings.TrimSpace(name) == "" {
		return Host{}, nil
	}
	if err != nil {
		return Host{}, err
	}
	nqn, err := nvme.ParseNQN(strings.TrimSpace(name))
	if err != nil {
		return Host{}, fmt.Errorf("hostnqn %w", err)
	}
	id, err := etc.read("hostid")
	if err != nil && !errors.Is(err, errGone) {
		return Host{}, err
	}
	if id = strings.TrimSpace(id); id == "" {
		id = idOf(nqn)
	}
	parsed, err := nvme.ParseNamespaceID(nvme.UUID, id) // a host ID is a UUID too
	if err != nil {
		return Host{}, fmt.Errorf("hostid %w", err)
	}
	return Host{NQN: nqn, ID: parsed.Value}, nil
}

// idOf returns the host ID that belongs to a host name: the UUID in it, else
// one made from it, so that every tool's run finds the same.
func idOf(nqn nvme.NQN) string {
	if id, ok := strings.CutPrefix(string(nqn), uuidNQN); ok {
		return id
	}
	return uuidFrom(sha256.Sum256([]byte(nqn)))
}

// ownHost returns the identity Braid made for this node, making it first if
// need be. It is kept, so that the node stays who it is to its targets.
func (e *Engine) ownHost(ctx context.Context) (Host, error) {
	path := filepath.Join(e.state, "host.json")
	b, err := os.ReadFile(path)
	if err == nil {
		var h Host
		if err := json.Unmarshal(b, &h); err != nil {
			return Host{}, fmt.Errorf("%s: %w", path, err)
		}
		if h.NQN == "" || h.ID == "" {
			return Host{}, fmt.Errorf("%s: hostnqn or hostid is missing", path)
		}
		return h, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return Host{}, err
	}
	seed, err := e.seed(ctx)
	if err != nil {
		return Host{}, err
	}
	id := uuidFrom(seed)
	h := Host{NQN: nvme.NQN(uuidNQN + id), ID: id}
	if b, err = json.Marshal(h); err != nil {
		return Host{}, err
	}
	if err := os.MkdirAll(e.state, 0o700); err != nil {
		return Host{}, err
	}
	return h, durable.WriteFile(path, append(b, '\n'), 0o600)
}

// seed is what this node's own identity is made of: its UID, so that a node
// that loses its disk stays who it was, else chance.
func (e *Engine) seed(ctx context.Context) (seed [32]byte, err error) {
	uid := ""
	if e.nodeUID != nil {
		if uid, err = e.nodeUID(ctx); err != nil {
			return seed, fmt.Errorf("UID of the node: %w", err)
		}
	}
	if uid == "" {
		rand.Read(seed[:]) // never fails
		return seed, nil
	}
	return sha256.Sum256([]byte("braid host " + uid)), nil
}

// uuidFrom forms a UUID of version 8, "custom" (RFC 9562), of 16 bytes.
func uuidFrom(b [32]byte) string {
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
