package health

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What Kubernetes 1.37 accepts in pod.status.volumeHealth; one violation makes
// it refuse the whole status.
const (
	maxFindings = 16
	maxReason   = 256  // bytes
	maxMessage  = 1024 // bytes
)

// Guard returns the findings as every consumer can take them: at most 16,
// worst first, one for each (status, reason), with reasons and messages that
// fit Kubernetes' syntax and limits. A finding is mended rather than dropped,
// for silence would read as health. The order of the input does not matter,
// and guarding twice changes nothing.
func Guard(findings []Finding) []Finding {
	guarded := make([]Finding, 0, len(findings))
	for _, f := range findings {
		if f.Status.rank() < 0 {
			f.Status = Degraded
		}
		f.Reason = guardReason(f.Reason)
		f.Message = guardMessage(f.Message)
		guarded = append(guarded, f)
	}
	slices.SortFunc(guarded, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.Status.rank(), b.Status.rank()),
			cmp.Compare(a.Status, b.Status),
			cmp.Compare(a.Reason.rank(), b.Reason.rank()),
			cmp.Compare(a.Reason, b.Reason),
			cmp.Compare(a.Message, b.Message),
		)
	})
	guarded = slices.CompactFunc(guarded, func(a, b Finding) bool {
		return a.Status == b.Status && a.Reason == b.Reason
	})
	return guarded[:min(len(guarded), maxFindings)]
}

// guardReason keeps of r what [A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])? allows.
func guardReason(r Reason) Reason {
	s := strings.Map(func(c rune) rune {
		if isLetter(c) || strings.ContainsRune("0123456789_,:", c) {
			return c
		}
		return -1
	}, string(r))
	s = strings.TrimLeftFunc(s, func(c rune) bool { return !isLetter(c) })
	s = strings.TrimRight(s[:min(len(s), maxReason)], ",:")
	if s == "" {
		return "Unspecified"
	}
	return Reason(s)
}

func isLetter(c rune) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// guardMessage makes s one printable line. Targets and error texts are not
// trusted: what could move a terminal's cursor or reorder text is a blank.
func guardMessage(s string) string {
	s = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.TrimSpace(s)
	if len(s) <= maxMessage {
		return s
	}
	const more = "…"
	end := maxMessage - len(more)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.TrimSpace(s[:end]) + more
}
