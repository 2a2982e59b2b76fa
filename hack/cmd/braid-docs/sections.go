package main

import (
	"fmt"
	"os/exec"
	"strings"

	"github.com/braid-csi/braid/pkg/driver"
)

// sections are the parts there are, each with what writes it.
func sections(root string) map[string]func() (string, error) {
	return map[string]func() (string, error){
		"volume-context": volumeContext,
		"commands":       func() (string, error) { return output(root, "go", "run", "./cmd/braid-node", "help") },
		"make-help":      func() (string, error) { return output(root, "make", "-s", "help") },
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
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Name, value, strings.ReplaceAll(k.Meaning, "|", `\|`))
	}
	return b.String(), nil
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
