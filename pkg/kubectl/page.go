package kubectl

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// page is text for a terminal. What is written to it comes out as printable
// characters, whatever it was.
type page struct {
	out *bufio.Writer
	now time.Time // ages are told of this moment
}

// write lets fill write a page, and says whether it came out whole.
func write(out io.Writer, now time.Time, fill func(*page)) error {
	p := &page{out: bufio.NewWriter(out), now: now}
	fill(p)
	return p.out.Flush()
}

func (p *page) line(format string, args ...any) {
	fmt.Fprintln(p.out, printable(fmt.Sprintf(format, args...)))
}

// table writes rows below a header, all of them after indent. A cell without
// text is a dash.
func (p *page) table(indent, header string, rows [][]string) {
	t := tabwriter.NewWriter(p.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, indent+header)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = dash(printable(cell))
		}
		fmt.Fprintln(t, indent+strings.Join(cells, "\t"))
	}
	_ = t.Flush() // what went wrong is kept by p.out
}

// fields writes names and values, one a line, but for those without a value.
func (p *page) fields(pairs [][2]string) {
	t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for _, pair := range pairs {
		if pair[1] != "" {
			fmt.Fprintf(t, "%s:\t%s\n", pair[0], printable(pair[1]))
		}
	}
	_ = t.Flush() // what went wrong is kept by p.out
}

// age is how long ago something was, nothing if that is not known.
func (p *page) age(at *metav1.Time) string {
	if at == nil || at.IsZero() {
		return ""
	}
	return p.span(at.Time)
}

// span is how long it is since then. A clock that is behind the node's makes
// it 0, not an error.
func (p *page) span(since time.Time) string {
	return duration.HumanDuration(max(0, p.now.Sub(since)))
}

// ago is an age in a sentence.
func (p *page) ago(at *metav1.Time) string {
	if age := p.age(at); age != "" {
		return age + " ago"
	}
	return ""
}

// printable returns one line of s: control characters, those that turn the
// direction of writing, and what is no text become U+FFFD.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
