package story

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Printer writes a story down as it happens.
type Printer struct {
	W io.Writer
	// Color is for terminals.
	Color bool
	// printed tells whether anything stands above since the last empty line.
	printed bool
}

// paint wraps text in a colour.
func (p *Printer) paint(code, text string) string {
	if !p.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *Printer) bold(s string) string  { return p.paint("1", s) }
func (p *Printer) green(s string) string { return p.paint("32", s) }
func (p *Printer) red(s string) string   { return p.paint("31", s) }
func (p *Printer) faint(s string) string { return p.paint("2", s) }

func (p *Printer) line(format string, args ...any) {
	fmt.Fprintf(p.W, format+"\n", args...)
	p.printed = true
}

// gap leaves one empty line, and no second one.
func (p *Printer) gap() {
	if p.printed {
		fmt.Fprintln(p.W)
	}
	p.printed = false
}

// chapter begins a part of the story.
func (p *Printer) chapter(number int, title string) {
	p.gap()
	p.line("%s", p.bold(fmt.Sprintf("%d. %s", number, title)))
}

// say tells what happens.
func (p *Printer) say(format string, args ...any) { p.line("   "+format, args...) }

// quote shows the output of a program as it is.
func (p *Printer) quote(command, output string) {
	p.gap()
	p.line("   $ %s", p.bold(command))
	for l := range strings.Lines(output) {
		p.line("   %s %s", p.faint("|"), strings.TrimSuffix(l, "\n"))
	}
	p.gap()
}

// errNotSo is why a claim does not hold that is only true or false.
var errNotSo = errors.New("it is not so")

// claim says what was found and what was expected; err is why it is not so.
func (p *Printer) claim(err error, found, expected string) error {
	mark := p.green("ok  ")
	if err != nil {
		mark = p.red("FAIL")
	}
	p.line("   %s %s  %s", mark, found, p.faint("(expected: "+expected+")"))
	if err != nil {
		return fmt.Errorf("%s, expected: %s: %w", found, expected, err)
	}
	return nil
}

// unclaimed says what was found where nothing can be claimed, and why.
func (p *Printer) unclaimed(found, why string) {
	p.line("   %s %s  %s", p.faint("--  "), found, p.faint("(not judged: "+why+")"))
}

// claimThat is claim for a condition.
func (p *Printer) claimThat(ok bool, found, expected string) error {
	if !ok {
		return p.claim(errNotSo, found, expected)
	}
	return p.claim(nil, found, expected)
}
