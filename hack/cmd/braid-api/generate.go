package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Where things are in the source tree.
const (
	apiDir   = "pkg/api/v1alpha1"
	applyDir = apiDir + "/applyconfiguration"
	copies   = apiDir + "/zz_generated.deepcopy.go"
	crdDir   = "charts/braid/templates/crds"
	toolDir  = "hack/generate" // the module that pins controller-gen
)

// generate returns everything that is generated, without touching the tree.
func generate(root string) (files, error) {
	work, err := os.MkdirTemp("", "braid-api-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := copySources(root, work); err != nil {
		return nil, err
	}
	tool, err := output(filepath.Join(root, toolDir), "go", "tool", "-n", "controller-gen")
	if err != nil {
		return nil, err
	}
	for _, generator := range [][]string{
		{"object"},
		{"applyconfiguration"},
		{"crd", "output:crd:dir=" + crdDir},
	} {
		if _, err := output(work, strings.TrimSpace(tool), append(generator, "paths=./"+apiDir)...); err != nil {
			return nil, err
		}
	}
	all, err := generated(work)
	if err != nil {
		return nil, err
	}
	return withTemplates(all)
}

// copySources copies the module and the API as people wrote it.
func copySources(root, work string) error {
	names, err := filepath.Glob(filepath.Join(root, apiDir, "*.go"))
	if err != nil {
		return err
	}
	for _, name := range append(names, filepath.Join(root, "go.mod"), filepath.Join(root, "go.sum")) {
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if relative == copies {
			continue // or it would have to agree with types that have changed
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := write(work, nil, files{relative: content}); err != nil {
			return err
		}
	}
	return nil
}

// generated are the generated files there are below root.
func generated(root string) (files, error) {
	all := files{}
	for _, place := range []string{copies, applyDir, crdDir} {
		err := filepath.WalkDir(filepath.Join(root, place), func(path string, entry fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil || entry.IsDir():
				return err
			}
			relative, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			all[relative], err = os.ReadFile(path)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func output(dir, program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(program), strings.Join(args, " "), err, out, &stderr)
	}
	return string(out), nil
}
