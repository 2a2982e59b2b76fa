package main

import (
	"archive/tar"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// program prints the version that the linker gives it.
const program = "package main\n\nvar version string\n\nfunc main() { println(version) }\n"

// tiny is as much of Braid's source tree as braid-image looks at.
var tiny = map[string]string{
	"go.mod":                       "module braid.example/tiny\n\ngo 1.26\n",
	"LICENSE":                      "Do with it what you want.\n",
	"cmd/braid-node/main.go":       program,
	"cmd/braid-controller/main.go": program,
	"hack/kubernetes/go.mod":       "module braid.example/tiny/hack/kubernetes\n",
}

// TestMake makes an image from a tiny source tree twice, into two folders and a
// registry: they are the same, and have what they should.
func TestMake(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	source := t.TempDir()
	for name, content := range tiny {
		file := filepath.Join(source, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(source)
	var pushed []v1.Hash
	for _, to := range []string{"braid:first", "braid:second"} {
		out, to := t.TempDir(), strings.TrimPrefix(server.URL, "http://")+"/"+to
		args := []string{"-platforms", platform, "-name", "localhost/braid", "-version", "v0.0.1+test", "-o", out, "-push", to}
		if err := run(t.Context(), args); err != nil {
			t.Fatal(err)
		}
		checkTarball(t, filepath.Join(out, "braid-linux-"+runtime.GOARCH+".tar"))
		pushed = append(pushed, digestOf(t, to))
	}
	if pushed[0] != pushed[1] {
		t.Errorf("the same sources gave %s and %s", pushed[0], pushed[1])
	}
}

// platform is this machine's.
const platform = "linux/" + runtime.GOARCH

func checkTarball(t *testing.T, file string) {
	t.Helper()
	tag, err := name.NewTag("localhost/braid:v0.0.1-test")
	if err != nil {
		t.Fatal(err)
	}
	img, err := tarball.ImageFromPath(file, &tag)
	if err != nil {
		t.Fatal(err)
	}
	checkConfig(t, img)
	names := filesOf(t, img)
	for _, want := range []string{
		"usr/bin/braid-node", "usr/bin/braid-controller", "usr/bin/mount", "usr/sbin/mkfs.ext4",
		"usr/share/doc/braid/LICENSE", "usr/share/doc/braid/modules",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s in the image", want)
		}
	}
}

func digestOf(t *testing.T, pushed string) v1.Hash {
	t.Helper()
	ref, err := name.ParseReference(pushed)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func checkConfig(t *testing.T, img v1.Image) {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Platform().String(); got != platform {
		t.Errorf("platform %s, want %s", got, platform)
	}
	if len(config.Config.Entrypoint)+len(config.Config.Cmd) > 0 {
		t.Errorf("entrypoint %q, command %q; want none: the pod says what runs", config.Config.Entrypoint, config.Config.Cmd)
	}
	if got := config.Config.Labels["org.opencontainers.image.version"]; got != "v0.0.1+test" {
		t.Errorf("version %q, want v0.0.1+test", got)
	}
}

func filesOf(t *testing.T, img v1.Image) []string {
	t.Helper()
	content := mutate.Extract(img)
	defer func() { _ = content.Close() }()
	var names []string
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}
