package driver

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/braid-csi/braid/pkg/attachment"
)

const (
	// maxVolumeID is CSI's general size limit, in bytes.
	maxVolumeID = 128
	// maxPath is the longest path of Linux, in bytes.
	maxPath = 4096
)

// problems gathers what is wrong with a request, so that its sender learns
// everything at once.
type problems []string

// add notes a problem of a field, unless there is none.
func (p *problems) add(field string, err error) {
	if err != nil {
		*p = append(*p, field+": "+err.Error())
	}
}

// err returns all problems as one errBadRequest.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", errBadRequest, strings.Join(p, "; "))
}

// volumeID checks a volume ID. Any printable text is one, slashes included, so
// it must never become a part of a path.
func (p *problems) volumeID(id string) string {
	p.add("volume_id", text(id, maxVolumeID))
	return id
}

// path checks a path that will be acted upon and returns it cleaned.
func (p *problems) path(field, path string) string {
	err := text(path, maxPath)
	switch {
	case err != nil:
	case !filepath.IsAbs(path):
		err = fmt.Errorf("%q is not an absolute path", path)
	case slices.Contains(strings.Split(path, "/"), ".."):
		err = fmt.Errorf("%q leads back up", path)
	case filepath.Clean(path) == "/":
		err = fmt.Errorf("%q is the root directory", path)
	}
	p.add(field, err)
	return filepath.Clean(path)
}

// publishContext reads what the cluster says about a volume's origin.
func (p *problems) publishContext(context map[string]string) attachment.Origin {
	for _, key := range slices.Sorted(maps.Keys(context)) {
		if _, err := attachment.Parse(map[string]string{key: context[key]}); err != nil {
			p.add(fmt.Sprintf("publish_context[%.64q]", key), errors.New(strings.TrimPrefix(err.Error(), key+": ")))
		}
	}
	o, _ := attachment.Parse(context) // what is wrong with it is noted
	return o
}

// location checks a path at which a volume is only looked for. Where no volume
// can be, as at a relative path, there is none: NOT_FOUND, as csi-sanity wants.
func (p *problems) location(field, path string) string {
	p.add(field, text(path, maxPath))
	return filepath.Clean(path)
}

// text returns what is wrong with s as one line of text.
func text(s string, maxBytes int) error {
	switch {
	case s == "":
		return fmt.Errorf("is missing")
	case len(s) > maxBytes:
		return fmt.Errorf("has %d bytes, at most %d are allowed", len(s), maxBytes)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%q has a control character or is not UTF-8", s)
	}
	return nil
}
