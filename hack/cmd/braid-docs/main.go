// Command braid-docs keeps the generated parts of documents in step with what
// they describe. A part lies between two markers:
//
//	<!-- generated:NAME -->
//	<!-- /generated:NAME -->
//
//	braid-docs README.md ...           writes them
//	braid-docs -check README.md ...    fails with a diff if they have drifted
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	check := flag.Bool("check", false, "write nothing; fail if there is something to write")
	flag.Parse()
	var errs []error
	for _, file := range flag.Args() {
		errs = append(errs, run(file, *check))
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, "braid-docs:", err)
		os.Exit(1)
	}
}

func run(file string, check bool) error {
	have, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	// A document lies beside what it describes.
	want, err := fill(string(have), sections(filepath.Dir(file)))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	switch {
	case want == string(have):
		return nil
	case check:
		return errors.Join(fmt.Errorf("%s has drifted: make generate", file), diff(file, want))
	}
	return os.WriteFile(file, []byte(want), 0o644)
}

// fill returns the document with every section in it written anew.
func fill(document string, sections map[string]writer) (string, error) {
	const begin, end = "<!-- generated:", "<!-- /generated:"
	var filled strings.Builder
	for {
		before, rest, found := strings.Cut(document, begin)
		if filled.WriteString(before); !found {
			return filled.String(), nil
		}
		name, rest, _ := strings.Cut(rest, " -->\n")
		_, after, closed := strings.Cut(rest, end+name+" -->")
		write := sections[name]
		switch {
		case write == nil:
			return "", fmt.Errorf("section %.40q: nobody writes it", name)
		case !closed:
			return "", fmt.Errorf("section %s does not end", name)
		}
		text, err := write()
		if err != nil {
			return "", fmt.Errorf("section %s: %w", name, err)
		}
		filled.WriteString(begin + name + " -->\n" + text + end + name + " -->")
		document = after
	}
}

// diff returns how the file differs from what it should be, as an error.
func diff(file, want string) error {
	cmd := exec.Command("diff", "-u", "--label", file, "--label", "generated", file, "-")
	cmd.Stdin = strings.NewReader(want)
	var out bytes.Buffer
	cmd.Stdout = &out
	// It says by its status that there are differences, which we know.
	if err := cmd.Run(); err != nil && out.Len() == 0 {
		return err
	}
	return errors.New(out.String())
}
