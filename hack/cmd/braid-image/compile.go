package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/braid-csi/braid/hack/image"
)

// own are Braid's programs that a cluster runs.
var own = []string{"./cmd/braid-node", "./cmd/braid-controller"}

// compile builds Braid's programs into dir. Nothing of where and when is in
// them; of what, the version is.
func compile(ctx context.Context, source, dir, arch, version string) error {
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version=" + version, "-o", dir + "/"}
	cmd := exec.CommandContext(ctx, "go", append(args, own...)...)
	cmd.Dir = source
	// The oldest processor of each kind, whatever this machine prefers.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building Braid for linux/%s: %w: %s", arch, err, bytes.TrimSpace(out))
	}
	return nil
}

// ownFiles are Braid's programs, which are in dir, and the licences.
func ownFiles(ctx context.Context, source, dir string) (*image.Files, error) {
	files := image.NewFiles()
	built, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return nil, err
	}
	for _, program := range built {
		if err := files.File("/usr/bin/"+filepath.Base(program), program); err != nil {
			return nil, err
		}
	}
	modules, err := moduleLicences(ctx, source, built)
	if err != nil {
		return nil, err
	}
	files.Content("/usr/share/doc/braid/modules", modules, 0o644)
	return files, files.File("/usr/share/doc/braid/LICENSE", filepath.Join(source, "LICENSE"))
}
