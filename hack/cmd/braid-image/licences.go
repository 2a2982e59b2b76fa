package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// moduleLicences are the texts that the authors of Go and of the modules in
// these programs want to go with them, each once.
func moduleLicences(ctx context.Context, source string, built []string) ([]byte, error) {
	modules := map[string]bool{}
	for _, program := range built {
		info, err := buildinfo.ReadFile(program)
		if err != nil {
			return nil, fmt.Errorf("the modules of a program: %w", err)
		}
		for _, m := range info.Deps {
			modules[m.Path] = true
		}
	}
	dirs, err := goTool(ctx, source, append([]string{"list", "-m", "-f", "{{.Path}} {{.Version}}\t{{.Dir}}"},
		slices.Sorted(maps.Keys(modules))...)...)
	if err != nil {
		return nil, err
	}
	root, err := goTool(ctx, source, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	users := map[string][]string{} // by text
	for line := range strings.Lines("Go\t" + root + dirs) {
		module, dir, _ := strings.Cut(strings.TrimSpace(line), "\t")
		texts, err := readLicences(dir)
		if err != nil {
			return nil, fmt.Errorf("the licence of %s: %w", module, err)
		}
		for _, text := range texts {
			users[text] = append(users[text], module)
		}
	}
	return joinLicences(users), nil
}

// licenceFile is what licences, and what has to be shown with them, are called.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)([.-].*)?$`)

func readLicences(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, e := range entries {
		if !e.Type().IsRegular() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(bytes.TrimSpace(b)))
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("there is none in %s", dir)
	}
	return texts, nil
}

// joinLicences is one file, in which each text follows the modules it is for.
func joinLicences(users map[string][]string) []byte {
	var parts []string
	for text, modules := range users {
		parts = append(parts, strings.Join(modules, "\n")+"\n\n"+text+"\n")
	}
	slices.Sort(parts)
	return []byte(strings.Join(parts, "\n"+strings.Repeat("-", 72)+"\n\n"))
}

func goTool(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}
