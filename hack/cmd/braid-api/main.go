// Command braid-api writes what is generated from the API's Go types: deep
// copies, apply configurations, and the chart's CustomResourceDefinitions.
//
//	braid-api ROOT           writes them into the source tree
//	braid-api -check ROOT    fails with a diff if they have drifted
//
// The generator works in a copy of the API, so that a failure leaves the tree
// as it was and a check needs no clean one.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

func main() {
	check := flag.Bool("check", false, "write nothing; fail if there is something to write")
	flag.Parse()
	if err := run(flag.Arg(0), *check); err != nil {
		fmt.Fprintln(os.Stderr, "braid-api:", err)
		os.Exit(1)
	}
}

func run(root string, check bool) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	want, err := generate(root)
	if err != nil {
		return err
	}
	have, err := generated(root)
	if err != nil {
		return err
	}
	if check {
		return drift(have, want)
	}
	return write(root, have, want)
}

// files are contents by path, relative to the root of the source tree.
type files map[string][]byte

// write makes have want. Files that are as they should be keep their time.
func write(root string, have, want files) error {
	for name := range have {
		if _, ok := want[name]; !ok {
			if err := os.Remove(filepath.Join(root, name)); err != nil {
				return err
			}
		}
	}
	for name, content := range want {
		if bytes.Equal(have[name], content) {
			continue
		}
		to := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// drift returns how have differs from want, as an error.
func drift(have, want files) error {
	all := maps.Clone(have)
	maps.Copy(all, want)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !bytes.Equal(have[name], want[name]) {
			errs = append(errs, diff(name, have[name], want[name]))
		}
	}
	if errs == nil {
		return nil
	}
	return errors.Join(append([]error{fmt.Errorf("%d generated files have drifted: make generate", len(errs))}, errs...)...)
}

func diff(name string, have, want []byte) error {
	dir, err := os.MkdirTemp("", "braid-api-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "have")
	if err := os.WriteFile(file, have, 0o600); err != nil {
		return err
	}
	cmd := exec.Command("diff", "-u", "--label", name, "--label", "generated", file, "-")
	cmd.Stdin = bytes.NewReader(want)
	var out bytes.Buffer
	cmd.Stdout = &out
	// It says by its status that there are differences, which we know.
	if err := cmd.Run(); err != nil && out.Len() == 0 {
		return fmt.Errorf("%s: %w", name, err)
	}
	return errors.New(out.String())
}
