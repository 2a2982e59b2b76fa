package node

import (
	"fmt"
	"strings"
)

// Finding is one adverse condition as CSI tells it.
type Finding struct{ Status, Reason, Message string }

func (f Finding) String() string { return fmt.Sprintf("%s %s: %s", f.Status, f.Reason, f.Message) }

// Findings are those of a volume or of a node; none means healthy.
type Findings []Finding

func (fs Findings) String() string {
	if len(fs) == 0 {
		return "healthy"
	}
	var words []string
	for _, f := range fs {
		words = append(words, f.String())
	}
	return strings.Join(words, "; ")
}

// Has tells whether one of them has that status and reason.
func (fs Findings) Has(status, reason string) bool {
	for _, f := range fs {
		if f.Status == status && f.Reason == reason {
			return true
		}
	}
	return false
}
