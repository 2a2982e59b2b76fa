package nvme

import (
	"fmt"
	"strings"
)

// IDType is the kind of a namespace identifier.
type IDType string

// The identifiers a namespace may carry, best first: Linux prefers them in
// this order (drivers/nvme/host/sysfs.c, wwid_show).
const (
	UUID  IDType = "uuid"
	NGUID IDType = "nguid"
	EUI64 IDType = "eui64"
)

// hexDigits is how many hexadecimal digits an identifier of each type has.
var hexDigits = map[IDType]int{UUID: 32, NGUID: 32, EUI64: 16}

// NamespaceID identifies a namespace within its subsystem for ever, unlike
// the NSID, which a target may give to another namespace. It is comparable.
type NamespaceID struct {
	Type IDType
	// Value is canonical: lower case, a UUID with dashes, the others without.
	Value string
}

// ParseNamespaceID returns the identifier of type t that s spells. Upper case
// and the usual separators (dashes, colons, spaces, dots) are accepted.
func ParseNamespaceID(t IDType, s string) (NamespaceID, error) {
	want, ok := hexDigits[t]
	if !ok {
		return NamespaceID{}, fmt.Errorf("identifier type %q is unknown", t)
	}
	digits := strings.Map(func(r rune) rune {
		switch r {
		case '-', ':', ' ', '.':
			return -1
		}
		return r
	}, strings.ToLower(strings.TrimSpace(s)))
	if strings.Trim(digits, "0123456789abcdef") != "" || len(digits) != want {
		return NamespaceID{}, fmt.Errorf("%q is not a %s of %d hexadecimal digits", s, t, want)
	}
	if strings.Trim(digits, "0") == "" {
		return NamespaceID{}, fmt.Errorf("%q is all zeros, which identifies no namespace", s)
	}
	if t == UUID {
		digits = strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
	}
	return NamespaceID{Type: t, Value: digits}, nil
}

// IsZero tells whether the identifier is absent.
func (id NamespaceID) IsZero() bool { return id == NamespaceID{} }

// String returns TYPE:VALUE, such as "uuid:0c7f…", which UnmarshalText reads.
func (id NamespaceID) String() string { return string(id.Type) + ":" + id.Value }

// MarshalText makes the identifier one string in JSON.
func (id NamespaceID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what String wrote.
func (id *NamespaceID) UnmarshalText(b []byte) error {
	t, v, ok := strings.Cut(string(b), ":")
	if !ok {
		return fmt.Errorf("namespace identifier %q is not TYPE:VALUE", b)
	}
	parsed, err := ParseNamespaceID(IDType(t), v)
	if err != nil {
		return fmt.Errorf("namespace identifier: %w", err)
	}
	*id = parsed
	return nil
}
