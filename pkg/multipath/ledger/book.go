package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/braid-csi/braid/pkg/nvme"
)

// version is the version of the books this code writes, and the only one it
// reads.
const version = 1

// ErrVersion is wrapped by the error for a book that a newer Braid wrote.
var ErrVersion = errors.New("book was written by a newer version of Braid")

// Key names a book. With a zero Namespace it is the book of the subsystem's
// controllers, else that of one volume.
type Key struct {
	Subsystem nvme.NQN         `json:"subsystem"`
	Namespace nvme.NamespaceID `json:"namespace,omitzero"`
}

// String returns the key as logs and errors show it.
func (k Key) String() string {
	if k.Namespace.IsZero() {
		return string(k.Subsystem)
	}
	return string(k.Subsystem) + " " + k.Namespace.String()
}

// check refuses a key that would not be the same when read back.
func (k Key) check() error {
	if k.Subsystem == "" || !utf8.ValidString(string(k.Subsystem)) {
		return fmt.Errorf("key %q: bad subsystem NQN", k)
	}
	if k.Namespace.IsZero() {
		return nil
	}
	switch id, err := nvme.ParseNamespaceID(k.Namespace.Type, k.Namespace.Value); {
	case err != nil:
		return fmt.Errorf("key %q: %w", k, err)
	case id != k.Namespace:
		return fmt.Errorf("key %q: namespace identifier is not canonical", k)
	}
	return nil
}

// controllers is the key of the book of the subsystem's controllers.
func (k Key) controllers() Key { return Key{Subsystem: k.Subsystem} }

// fileName is a hash: an NQN may have any character and nearly the length of
// the longest file name. The key itself is in the file.
func (k Key) fileName() string {
	h := sha256.Sum256([]byte(k.String()))
	return hex.EncodeToString(h[:16]) + suffix
}

const suffix = ".json"

// book is what is stored of one key.
type book struct {
	Version int `json:"version"`
	Key
	Records map[string]Record `json:"records"`
	// Controllers holds the volume's baselines of its subsystem's controllers,
	// by the keys of their records.
	Controllers map[string]baseline `json:"controllers,omitempty"`
	Resets      []Reset             `json:"resets,omitempty"`
	Pending     *intent             `json:"pending,omitempty"`
}

func newBook(k Key) book {
	return book{Version: version, Key: k, Records: map[string]Record{}}
}

// seen is when the book last learned anything.
func (b book) seen() time.Time {
	var last time.Time
	for _, r := range b.Records {
		if t := r.seen(); t.After(last) {
			last = t
		}
	}
	return last
}

// encode ends without a newline, so that no proper prefix is a valid book.
func (b book) encode() ([]byte, error) { return json.MarshalIndent(b, "", " ") }

// decode reads the book in a file of that name. The error wraps ErrVersion if
// the book is newer; any other error means that it is corrupt.
func decode(name string, data []byte) (book, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return book{}, err
	}
	switch {
	case head.Version > version:
		return book{}, fmt.Errorf("%w: version %d, this one reads %d", ErrVersion, head.Version, version)
	case head.Version < version:
		return book{}, fmt.Errorf("version %d is unknown", head.Version)
	}
	var b book
	if err := json.Unmarshal(data, &b); err != nil {
		return book{}, err
	}
	if err := b.Key.check(); err != nil {
		return book{}, err
	}
	if want := b.fileName(); want != name {
		return book{}, fmt.Errorf("the book of %q belongs in %s", b.Key, want)
	}
	return b, b.check()
}

// check refuses what this code never writes and could not go on with.
func (b *book) check() error {
	for k, r := range b.Records {
		for c, t := range r.Tallies {
			if t.SinceReset > t.Lifetime {
				return fmt.Errorf("record %q: %s: more since the reset than ever", k, c)
			}
		}
		if r.Witness == nil {
			continue
		}
		for c, lead := range r.Witness.Lead {
			if lead < -maxLead || lead > maxLead {
				return fmt.Errorf("record %q: %s: a witness that leads by %d", k, c, lead)
			}
		}
	}
	if b.Records == nil {
		b.Records = map[string]Record{}
	}
	return nil
}
