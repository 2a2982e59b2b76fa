package main

import (
	"fmt"
	"os/exec"
	"strings"

	"github.com/braid-csi/braid/pkg/driver"
)

// writer writes a section.
type writer func() (string, error)

// sections are those there are; dir is the document's directory.
func sections(dir string) map[string]writer {
	return map[string]writer{
		"volume-context": volumeContext,
		"commands":       func() (string, error) { return output(dir, "go", "run", "./cmd/braid-node", "help") },
		"make-help":      func() (string, error) { return output(dir, "make", "-s", "help") },
		"values":         func() (string, error) { return chartValues(dir) },
	}
}

func volumeContext() (string, error) {
	var b strings.Builder
	b.WriteString("| key | default | meaning |\n|---|---|---|\n")
	for _, k := range driver.Keys() {
		value := ""
		switch {
		case k.Required:
			value = "required"
		case k.Default != "":
			value = "`" + k.Default + "`"
		}
		writeRow(&b, k.Name, value, k.Meaning)
	}
	return b.String(), nil
}

// writeRow writes what something is called, its default as Markdown, and what
// it means.
func writeRow(b *strings.Builder, name, value, meaning string) {
	fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, value, strings.ReplaceAll(meaning, "|", `\|`))
}

// output quotes what a program prints.
func output(dir string, args ...string) (string, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return "```\n" + string(out) + "```\n", nil
}
