// Package hyper builds the programs of Kubernetes from its Go module, so that a
// test bed needs neither a registry nor a release's download.
package hyper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/braid-csi/braid/hack/cluster/cache"
)

// FindSource looks for Braid's hack folder around the current folder, then
// around this program. A nested module cannot be embedded into a program.
func FindSource() (string, error) {
	var from []string
	if dir, err := os.Getwd(); err == nil {
		from = append(from, dir)
	}
	if self, err := os.Executable(); err == nil {
		from = append(from, filepath.Dir(self))
	}
	for _, dir := range from {
		for ; ; dir = filepath.Dir(dir) {
			hack := filepath.Join(dir, "hack")
			if _, err := os.Stat(filepath.Join(hack, "kubernetes/go.mod")); err == nil {
				return hack, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", errors.New("no hack/kubernetes in or above this folder: run it inside Braid's source tree")
}

// source is a module that builds programs of Kubernetes.
type source struct {
	dir       string
	goVersion string
	// version is that of Kubernetes: v1.37.2.
	version string
}

func readSource(ctx context.Context, dir string) (source, error) {
	s := source{dir: dir}
	var err error
	if s.goVersion, err = s.goTool(ctx, "env", "GOVERSION"); err != nil {
		return s, err
	}
	b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return s, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "k8s.io/kubernetes" {
			s.version = f[1]
			return s, nil
		}
	}
	return s, fmt.Errorf("%s/go.mod does not require k8s.io/kubernetes", dir)
}

// key covers all a build depends on: the sums are those of every module.
func (s source) key() (string, error) {
	parts := []string{s.goVersion, strings.Join(s.buildFlags(), " ")}
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		b, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			return "", err
		}
		parts = append(parts, string(b))
	}
	return strings.TrimPrefix(s.version, "v") + "-" + cache.Key(parts...), nil
}

// buildFlags tell the programs which version they are: feature gates depend on
// it. Without debugging data Go's build cache takes half the space.
func (s source) buildFlags() []string {
	major, minor, _ := strings.Cut(strings.TrimPrefix(s.version, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	link := "-s -w"
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, set := range []string{
			"gitVersion=" + s.version, "gitMajor=" + major, "gitMinor=" + minor,
			"gitTreeState=clean", "gitCommit=module", "buildDate=1970-01-01T00:00:00Z",
		} {
			link += " -X " + pkg + "." + set
		}
	}
	return []string{"-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags=" + link}
}

func (s source) goTool(ctx context.Context, args ...string) (string, error) {
	cmd := s.command(ctx, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func (s source) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOOS=linux", "GOARCH=amd64")
	return cmd
}
