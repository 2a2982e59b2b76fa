package debian

import (
	"context"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Package is a package that was unpacked.
type Package struct {
	Name, Version string
	// Control is the package's control file, with its name, version, source
	// and so on (deb-control(5)).
	Control string
	// Files are the paths of everything in it, folders too, without the first
	// slash.
	Files []string
}

// Packages downloads packages and those they depend on, and unpacks them below
// root. The packages that skip names are left out, and work is for apt's files.
func Packages(ctx context.Context, from Suite, names []string, skip func(name string) bool, work, root string) ([]Package, error) {
	a, err := Open(ctx, filepath.Join(work, "apt"), from)
	if err != nil {
		return nil, err
	}
	all, err := a.Closure(ctx, names)
	if err != nil {
		return nil, err
	}
	if all = slices.DeleteFunc(all, skip); len(all) == 0 {
		return nil, fmt.Errorf("no packages left of %s", strings.Join(names, " "))
	}
	return a.Fetch(ctx, all, root)
}

// Fetch downloads packages, without those they depend on, and unpacks them
// below root. apt checks signatures and sums.
func (a *Archive) Fetch(ctx context.Context, packages []string, root string) ([]Package, error) {
	if _, err := a.run(ctx, "apt-get", append([]string{"download"}, packages...)...); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(a.path("packages"), "*.deb"))
	if err != nil {
		return nil, err
	}
	var unpacked []Package
	for _, f := range files {
		p, err := unpack(ctx, f, root)
		if err != nil {
			return nil, fmt.Errorf("unpacking %s: %w", filepath.Base(f), err)
		}
		unpacked = append(unpacked, p)
	}
	return unpacked, nil
}

// unpack unpacks one package.
func unpack(ctx context.Context, deb, root string) (Package, error) {
	var p Package
	control, err := dpkg(ctx, "--info", deb, "control")
	if err != nil {
		return p, err
	}
	p.Control = control
	for line := range strings.Lines(control) {
		switch key, value, _ := strings.Cut(line, ": "); key {
		case "Package":
			p.Name = strings.TrimSpace(value)
		case "Version":
			p.Version = strings.TrimSpace(value)
		}
	}
	listing, err := dpkg(ctx, "--vextract", deb, root)
	if err != nil {
		return p, err
	}
	for line := range strings.Lines(listing) {
		if name := path.Clean(strings.TrimSuffix(line, "\n")); name != "." {
			p.Files = append(p.Files, name)
		}
	}
	return p, nil
}

func dpkg(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "dpkg-deb", args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
