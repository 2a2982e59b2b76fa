package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/braid-csi/braid/hack/guest"
)

// paint wraps text in a colour if the output ends up on a terminal.
func paint(code, text string) string {
	if os.Getenv(guest.ColorVariable) != "1" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func bold(s string) string  { return paint("1", s) }
func green(s string) string { return paint("32", s) }
func red(s string) string   { return paint("31", s) }
func faint(s string) string { return paint("2", s) }

// printed tells whether anything stands above since the last empty line.
var printed bool

func line(format string, args ...any) {
	fmt.Printf(format+"\n", args...)
	printed = true
}

// gap leaves one empty line, and no second one.
func gap() {
	if printed {
		fmt.Println()
	}
	printed = false
}

// chapter begins a part of the story.
func chapter(number int, title string) {
	gap()
	line("%s", bold(fmt.Sprintf("%d. %s", number, title)))
}

// say tells what happens.
func say(format string, args ...any) { line("   "+format, args...) }

// quote shows the output of a program as it is.
func quote(command, output string) {
	gap()
	line("   $ %s", bold(command))
	for l := range strings.Lines(output) {
		line("   %s %s", faint("|"), strings.TrimSuffix(l, "\n"))
	}
	gap()
}

// claim says what was found and what was expected; err is why it is not so.
func claim(err error, found, expected string) error {
	mark := green("ok  ")
	if err != nil {
		mark = red("FAIL")
	}
	line("   %s %s  %s", mark, found, faint("(expected: "+expected+")"))
	if err != nil {
		return fmt.Errorf("%s, expected: %s: %w", found, expected, err)
	}
	return nil
}

// claimThat is claim for a condition.
func claimThat(ok bool, found, expected string) error {
	if !ok {
		return claim(errNotSo, found, expected)
	}
	return claim(nil, found, expected)
}
