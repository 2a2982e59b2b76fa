package kernel

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// archive is apt with a configuration of its own below dir: its lists, its
// cache and its sources. The machine's own apt is neither read nor changed, so
// a stable machine can fetch a kernel from unstable without ever installing
// anything else from there.
type archive struct {
	dir string
}

// newArchive points a private apt at the suite of spec.
func newArchive(dir string, spec Spec, m mirrors) (*archive, error) {
	if _, err := os.Stat(keyring); err != nil {
		return nil, fmt.Errorf("the archive keys of Debian (package debian-archive-keyring): %w", err)
	}
	a := &archive{dir: dir}
	for _, d := range []string{"lists/partial", "cache/archives/partial", "packages"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	sources := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, m.archive, spec.Suite)
	if spec.Security {
		sources += fmt.Sprintf("deb [signed-by=%s] %s %s-security main\n", keyring, m.security, spec.Suite)
	}
	// No packages are installed in this view of the world.
	if err := os.WriteFile(a.path("status"), nil, 0o644); err != nil {
		return nil, err
	}
	return a, os.WriteFile(a.path("sources.list"), []byte(sources), 0o644)
}

func (a *archive) path(name string) string { return filepath.Join(a.dir, name) }

// run calls one of apt's tools and returns what it printed.
func (a *archive) run(ctx context.Context, tool string, args ...string) (string, error) {
	options := []string{
		"-q", "-oDir::Etc::sourcelist=" + a.path("sources.list"), "-oDir::Etc::sourceparts=-",
		"-oDir::State::lists=" + a.path("lists"), "-oDir::State::status=" + a.path("status"),
		"-oDir::Cache=" + a.path("cache"), "-oAPT::Architecture=amd64", "-oAPT::Sandbox::User=root",
		"-oAcquire::Languages=none",
	}
	cmd := exec.CommandContext(ctx, tool, append(options, args...)...)
	cmd.Dir = a.path("packages")
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", tool, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// update fetches the lists of packages.
func (a *archive) update(ctx context.Context) error {
	_, err := a.run(ctx, "apt-get", "update")
	return err
}

// release is the kernel release a meta package stands for today.
func (a *archive) release(ctx context.Context, meta string) (string, error) {
	depends, err := a.depends(ctx, meta)
	if err != nil {
		return "", err
	}
	for _, d := range depends {
		if r, ok := strings.CutPrefix(d, "linux-image-"); ok {
			return r, nil
		}
	}
	return "", fmt.Errorf("package %s depends on no linux-image package: %v", meta, depends)
}

// packages names what holds the kernel and its modules. From 7.x on the
// linux-image package is empty and names the ones with the files; up to 6.12
// it holds everything itself.
func (a *archive) packages(ctx context.Context, release string) ([]string, error) {
	image := "linux-image-" + release
	depends, err := a.depends(ctx, image)
	if err != nil {
		return nil, err
	}
	var split []string
	for _, d := range depends {
		switch d {
		case "linux-base-" + release, "linux-binary-" + release, "linux-modules-" + release:
			split = append(split, d)
		}
	}
	if len(split) > 0 {
		return split, nil
	}
	return []string{image}, nil
}

func (a *archive) depends(ctx context.Context, pkg string) ([]string, error) {
	out, err := a.run(ctx, "apt-cache", "depends", pkg)
	if err != nil {
		return nil, err
	}
	var depends []string
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: "); ok {
			depends = append(depends, name)
		}
	}
	return depends, nil
}

// size is how many bytes a download will be, for the progress line only.
func (a *archive) size(ctx context.Context, packages []string) int64 {
	out, err := a.run(ctx, "apt-cache", append([]string{"show", "--no-all-versions"}, packages...)...)
	if err != nil {
		return 0
	}
	var sum int64
	for line := range strings.Lines(out) {
		if value, ok := strings.CutPrefix(line, "Size: "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			sum += n
		}
	}
	return sum
}

// fetch downloads packages and unpacks them below root. apt checks signatures
// and sums.
func (a *archive) fetch(ctx context.Context, packages []string, root string) error {
	if _, err := a.run(ctx, "apt-get", append([]string{"download"}, packages...)...); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(a.path("packages"), "*.deb"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if out, err := exec.CommandContext(ctx, "dpkg", "-x", f, root).CombinedOutput(); err != nil {
			return fmt.Errorf("unpacking %s: %w: %s", filepath.Base(f), err, bytes.TrimSpace(out))
		}
	}
	return nil
}
