package nvmetcp

import (
	"bytes"
	"strings"
)

// cString is the text up to the first zero byte.
func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// padded is the text of a field that is padded with spaces. It goes to logs and
// terminals, so what is not printable ASCII becomes a question mark.
func padded(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, strings.TrimRight(string(b), " \x00"))
}

// putPadded fills the field with the text and spaces.
func putPadded(field []byte, s string) {
	n := copy(field, s)
	for i := n; i < len(field); i++ {
		field[i] = ' '
	}
}
