package image

import (
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func index(t *testing.T, annotations map[string]string) v1.ImageIndex {
	t.Helper()
	var images []v1.Image
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		s := spec(t, time.Now(), 0o755)
		s.Platform = platform
		img, err := Build(s)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, img)
	}
	idx, err := Index(annotations, images...)
	if err != nil {
		t.Fatal(err)
	}
	return idx
}

func digest(t *testing.T, idx v1.ImageIndex) v1.Hash {
	t.Helper()
	d, err := idx.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestPush pulls back what was pushed: all of it by the index, and the image of
// a platform by the same name.
func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	to := strings.TrimPrefix(server.URL, "http://") + "/braid:v1"
	pushed := index(t, nil)
	by, err := Push(t.Context(), to, pushed)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(by)
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(pulled); err != nil {
		t.Error(err)
	}
	tag, err := name.NewTag(to)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(tag, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "arm64"}))
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Platform().String(); got != "linux/arm64" {
		t.Errorf("pulled for linux/arm64: one for %s", got)
	}
}

func TestPushFails(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	server.Close() // nobody answers there any more
	to := strings.TrimPrefix(server.URL, "http://") + "/braid:v1"
	if _, err := Push(t.Context(), to, index(t, nil)); err == nil || !strings.Contains(err.Error(), to) {
		t.Errorf("Push: %v, want an error with %s", err, to)
	}
}

// TestIndex: the same images make the same index, and its annotations are kept.
func TestIndex(t *testing.T) {
	annotations := map[string]string{"org.opencontainers.image.title": "Braid"}
	first, second := index(t, annotations), index(t, annotations)
	if a, b := digest(t, first), digest(t, second); a != b {
		t.Errorf("the same files gave %s and %s", a, b)
	}
	manifest, err := first.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(annotations, manifest.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	var platforms []string
	for _, m := range manifest.Manifests {
		platforms = append(platforms, m.Platform.String())
	}
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64"}, platforms); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
}

func TestWriteLayout(t *testing.T) {
	dir, written := t.TempDir(), index(t, nil)
	if err := WriteLayout(dir, "localhost/braid:v1", written); err != nil {
		t.Fatal(err)
	}
	at, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := at.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].Annotations[refName] != "v1" {
		t.Fatalf("the layout has %+v, want one index called v1", manifest.Manifests)
	}
	read, err := at.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(read); err != nil {
		t.Error(err)
	}
	if a, b := digest(t, written), digest(t, read); a != b {
		t.Errorf("wrote %s, read %s", a, b)
	}
}

func TestPlatform(t *testing.T) {
	s := spec(t, time.Now(), 0o755)
	s.Platform = "linux/arm64/v8/x/y"
	if _, err := Build(s); err == nil || !strings.Contains(err.Error(), s.Platform) {
		t.Errorf("Build for %s: %v, want an error that names it", s.Platform, err)
	}
}
