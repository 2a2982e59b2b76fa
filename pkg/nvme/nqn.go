package nvme

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxNQNLength is the longest NVMe Qualified Name, in bytes
// (NVM Express Base Specification 2.1, section 4.7).
const MaxNQNLength = 223

// NQN is an NVMe Qualified Name: the name of a host or of a subsystem.
type NQN string

// nqnForm is the form of section 4.7: a date, a reverse domain name and,
// after a colon, whatever the naming authority likes.
var nqnForm = regexp.MustCompile(`^nqn\.[0-9]{4}-(0[1-9]|1[0-2])\.[A-Za-z0-9][A-Za-z0-9.-]*(:.+)?$`)

// ParseNQN returns s as an NQN, or an error that says what is wrong with it.
func ParseNQN(s string) (NQN, error) {
	switch {
	case s == "":
		return "", errors.New("is empty")
	case len(s) > MaxNQNLength:
		return "", fmt.Errorf("is %d bytes long, at most %d are allowed", len(s), MaxNQNLength)
	}
	if err := checkOption(s); err != nil {
		return "", err
	}
	if !nqnForm.MatchString(s) {
		return "", fmt.Errorf("%q is not of the form nqn.YYYY-MM.REVERSE.DOMAIN[:NAME]", s)
	}
	return NQN(s), nil
}

// checkOption refuses text that cannot be the value of a fabrics option: the
// kernel splits its options at commas and newlines and knows no escaping.
func checkOption(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("is not valid UTF-8")
	}
	if i := strings.IndexFunc(s, func(r rune) bool {
		return r == ',' || unicode.IsControl(r) || unicode.IsSpace(r)
	}); i >= 0 {
		return fmt.Errorf("%q has a comma, a space or a control character at byte %d", s, i)
	}
	return nil
}
