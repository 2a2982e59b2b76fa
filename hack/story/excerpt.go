package story

import (
	"slices"
	"strings"
)

// tailFrom is an output from the line on that begins like that.
func tailFrom(output, start string) string {
	if i := strings.Index("\n"+output, "\n"+start); i > 0 {
		return "...\n" + output[i:]
	}
	return output
}

// headUntil is an output up to the line that begins like that.
func headUntil(output, end string) string {
	if i := strings.Index(output, "\n"+end); i >= 0 {
		return output[:i+1] + "...\n"
	}
	return output
}

// outline is what kubectl describe shows of an object, shortened: of the lists
// in it those entries that contain one of the words, the lines that begin with
// one of the keys, and all of its events. What is left out is marked.
//
// kubectl writes the entries of a list one after the other, with the fields in
// the order of the alphabet: an entry begins where its first field comes again.
func outline(output string, keys, words []string) string {
	var kept []string
	keep := func(lines ...string) { kept = append(kept, lines...) }
	omit := func(indent int) {
		if mark := strings.Repeat(" ", indent) + "..."; len(kept) == 0 || strings.TrimSpace(kept[len(kept)-1]) != "..." {
			keep(mark)
		}
	}
	lines := strings.Split(strings.TrimRight(output, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		switch {
		case strings.HasPrefix(lines[i], "Events:"):
			keep(lines[i:]...)
			return strings.Join(kept, "\n") + "\n"
		case slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(lines[i], k+":") }):
			keep(lines[i])
		default:
			entries := entriesOf(lines[i+1:], indentOf(lines[i]))
			hit := func(e []string) bool { return mentions(e, words) }
			if !slices.ContainsFunc(entries, hit) {
				omit(indentOf(lines[i]))
				break
			}
			keep(lines[i])
			for _, e := range entries {
				i += len(e)
				if hit(e) {
					keep(e...)
				} else {
					omit(indentOf(e[0]))
				}
			}
		}
	}
	return strings.Join(kept, "\n") + "\n"
}

// entriesOf are the entries of the list below a line with that indent, which is
// at an end where something else begins. An object's fields are one entry.
func entriesOf(lines []string, indent int) [][]string {
	var entries [][]string
	for _, l := range lines {
		in := indentOf(l)
		if in <= indent {
			break
		}
		first := len(entries) == 0
		if first || (in == indentOf(entries[0][0]) && keyOf(l) == keyOf(entries[0][0])) {
			entries = append(entries, nil)
		}
		last := len(entries) - 1
		entries[last] = append(entries[last], l)
	}
	return entries
}

func mentions(lines, words []string) bool {
	return slices.ContainsFunc(lines, func(l string) bool {
		return slices.Contains(words, strings.Join(strings.Fields(l), " "))
	})
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

func keyOf(line string) string {
	key, _, _ := strings.Cut(strings.TrimSpace(line), ":")
	return key
}
