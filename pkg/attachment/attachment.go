// Package attachment is what the cluster tells a node about a volume beyond the
// volume itself: whose it is. braid-controller writes it into the metadata of
// the VolumeAttachment, and kubelet hands it to the node as publish_context.
//
// Nothing depends on it but what people read: a node that is told nothing
// serves the volume all the same.
package attachment

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Driver is the driver's name, as CSIDriver objects, PersistentVolumes and
// VolumeAttachments have it.
const Driver = "csi.braid.dev"

// Name returns the name of the VolumeAttachment by which Kubernetes attaches a
// volume to a node (getAttachmentName in pkg/volume/csi/csi_attacher.go).
func Name(volumeHandle, node string) string {
	return fmt.Sprintf("csi-%x", sha256.Sum256([]byte(volumeHandle+Driver+node)))
}

// Origin says to which objects of the cluster a volume belongs. Any of its
// fields may be empty.
type Origin struct {
	PersistentVolume string `json:"persistentVolume,omitempty"`
	ClaimNamespace   string `json:"claimNamespace,omitempty"`
	ClaimName        string `json:"claimName,omitempty"`
	ClaimUID         string `json:"claimUID,omitempty"`
}

// maxName is the longest name an object of the cluster can have, in bytes.
const maxName = 253

// fields ties the keys of the metadata to the fields.
func (o *Origin) fields() map[string]*string {
	return map[string]*string{
		"persistentVolumeName": &o.PersistentVolume,
		"claimNamespace":       &o.ClaimNamespace,
		"claimName":            &o.ClaimName,
		"claimUID":             &o.ClaimUID,
	}
}

// Metadata returns the origin as a VolumeAttachment's attachmentMetadata has
// it, without what is empty.
func (o Origin) Metadata() map[string]string {
	m := map[string]string{}
	for key, field := range o.fields() {
		if *field != "" {
			m[key] = *field
		}
	}
	return m
}

// Parse reads what Metadata wrote. Keys it does not know are left alone:
// another version may have written them. The error names each field that
// cannot be a name.
func Parse(metadata map[string]string) (Origin, error) {
	var o Origin
	var errs []error
	fields := o.fields()
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if err := checkName(metadata[key]); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
			continue
		}
		*fields[key] = metadata[key]
	}
	return o, errors.Join(errs...)
}

func checkName(s string) error {
	switch {
	case len(s) > maxName:
		return fmt.Errorf("has %d bytes, at most %d are allowed", len(s), maxName)
	case strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) || r == ' ' }):
		return fmt.Errorf("%.64q cannot be a name", s)
	}
	return nil
}
