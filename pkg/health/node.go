package health

import (
	"fmt"
	"slices"
	"strings"
)

// maxNamed is how many volumes a node's message names.
const maxNamed = 3

// node gathers the findings of a node's volumes; the zero value is empty.
type node struct {
	volumes  int
	affected map[Reason][]string // volume IDs
}

// add takes up one volume with its guarded findings.
func (n *node) add(volumeID string, findings []Finding) {
	if n.affected == nil {
		n.affected = make(map[Reason][]string)
	}
	n.volumes++
	for _, f := range findings {
		n.affected[f.Reason] = append(n.affected[f.Reason], volumeID)
	}
}

// findings returns one finding for each reason. One volume's trouble degrades
// the node; the storage is unreachable only if no volume has a usable path.
func (n *node) findings() []Finding {
	var fs []Finding
	for _, c := range catalogue {
		ids := n.affected[c.reason]
		if len(ids) == 0 {
			continue
		}
		f := Finding{Status: StorageDegraded, Reason: c.reason}
		if c.reason == NoUsablePath && len(ids) == n.volumes {
			f.Status = StorageUnreachable
		}
		f.Message = fmt.Sprintf("%d of %s: %s", len(ids), quantity(n.volumes, "volume"), named(ids))
		fs = append(fs, f)
	}
	return fs
}

// named lists the first few volumes by ID.
func named(ids []string) string {
	ids = slices.Sorted(slices.Values(ids))
	if len(ids) <= maxNamed {
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(ids[:maxNamed], ", "), len(ids)-maxNamed)
}
