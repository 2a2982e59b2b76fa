package agent

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

const (
	// maxHandle is how much of a volume's handle goes into a name, in bytes.
	maxHandle = 40
	// hashDigits is how many digits of 5 bits the hash in a name has.
	hashDigits = 10
)

// Name returns the name of the NVMePathSet of a volume on a node: a DNS-1123
// subdomain of at most 51 bytes. Of the handle it has what a name can have,
// for people; what tells it from all others is a hash of node and handle.
func Name(node, handle string) string {
	word := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		}
		return '-'
	}, strings.ToLower(handle))
	word = strings.Trim(word[:min(len(word), maxHandle)], "-")
	if word == "" {
		word = "volume"
	}
	return word + "-" + hash(node, handle)
}

// hash returns a short name for what the words say together. A node's name has
// no NUL, so no two lists of words are the same text.
func hash(words ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	return strings.ToLower(base32.HexEncoding.EncodeToString(sum[:]))[:hashDigits]
}
