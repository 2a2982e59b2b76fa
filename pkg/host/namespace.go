package host

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

const (
	// maxNamespaces bounds what a controller can make us list.
	maxNamespaces = 1 << 20
	// maxANALog is the largest ANA log that is read, in bytes.
	maxANALog = 8 << 20
	// maxLogReads is how often a log is read that changes meanwhile.
	maxLogReads = 5
)

// ANALog reads the whole ANA log, which makes the controller tell of the next
// change.
func (c *Controller) ANALog(ctx context.Context) ([]nvmetcp.ANAGroup, error) {
	a, err := c.association()
	if err != nil {
		return nil, err
	}
	size := a.id.ANALogSize()
	switch {
	case a.id.MultiPath&nvmetcp.CMICANA == 0:
		return nil, fmt.Errorf("controller of %s does not report ANA", c.cfg.SubsystemNQN)
	case size > maxANALog:
		return nil, fmt.Errorf("ANA log of %d bytes, at most %d are read", size, maxANALog)
	}
	// In one command if it can be, for Linux' target knows no offset here.
	part := min(size, uint64(a.maxTransfer())&^3)
	for range maxLogReads {
		log, err := a.readWholeLog(ctx, nvmetcp.LogANA, size, part)
		if err != nil {
			return nil, err
		}
		changes, groups, err := nvmetcp.ParseANALog(log)
		if err != nil || part == size {
			return groups, err
		}
		head, err := a.readLog(ctx, nvmetcp.LogRequest{Log: nvmetcp.LogANA, Length: 16})
		if err != nil {
			return nil, err
		}
		if binary.LittleEndian.Uint64(head) == changes {
			return groups, nil
		}
	}
	return nil, fmt.Errorf("ANA log changed during each of %d reads", maxLogReads)
}

// readWholeLog reads size bytes of a log, in parts.
func (a *association) readWholeLog(ctx context.Context, id nvmetcp.LogID, size, part uint64) ([]byte, error) {
	log := make([]byte, 0, size)
	for at := uint64(0); at < size; at += part {
		b, err := a.readLog(ctx, nvmetcp.LogRequest{Log: id, Offset: at, Length: min(part, size-at)})
		if err != nil {
			return nil, err
		}
		log = append(log, b...)
	}
	return log, nil
}

// ActiveNamespaces lists the NSIDs of the active namespaces, in order.
func (c *Controller) ActiveNamespaces(ctx context.Context) ([]uint32, error) {
	a, err := c.association()
	if err != nil {
		return nil, err
	}
	var all []uint32
	for after := uint32(0); len(all) < maxNamespaces; {
		b, err := a.identify(ctx, nvmetcp.IdentifyActiveID, after)
		if err != nil {
			return nil, err
		}
		list, err := nvmetcp.ParseActiveNamespaces(b)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 && list[0] <= after {
			return nil, fmt.Errorf("active namespaces after %d: %d", after, list[0])
		}
		all = append(all, list...)
		if len(list) < nvmetcp.MaxActiveNamespaces {
			return all, nil
		}
		after = list[len(list)-1]
	}
	return nil, fmt.Errorf("more than %d active namespaces", maxNamespaces)
}

// Namespace is what a controller says of a namespace.
type Namespace struct {
	nvmetcp.IdentifyNamespace
	NSID uint32
	// IDs are its identifiers, at least one.
	IDs []nvme.NamespaceID
}

// IdentifyNamespace identifies an active namespace. One that cannot be told from
// others is an error.
func (c *Controller) IdentifyNamespace(ctx context.Context, nsid uint32) (Namespace, error) {
	n := Namespace{NSID: nsid}
	a, err := c.association()
	if err != nil {
		return n, err
	}
	b, err := a.identify(ctx, nvmetcp.IdentifyNamespaceID, nsid)
	if err != nil {
		return n, err
	}
	if n.IdentifyNamespace, err = nvmetcp.ParseIdentifyNamespace(b); err != nil {
		return n, fmt.Errorf("namespace %d: %w", nsid, err)
	}
	if n.Blocks == 0 {
		return n, fmt.Errorf("namespace %d is not active", nsid)
	}
	if b, err = a.identify(ctx, nvmetcp.IdentifyDescriptorsID, nsid); err != nil {
		return n, err
	}
	if n.IDs, err = nvmetcp.ParseNamespaceDescriptors(b); err != nil {
		return n, fmt.Errorf("namespace %d: %w", nsid, err)
	}
	if len(n.IDs) == 0 {
		return n, fmt.Errorf("namespace %d has no identifier", nsid)
	}
	return n, nil
}
