package lab

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/braid-csi/braid/hack/cluster/hyper"
)

// FindSource is the root of Braid's source, in or above the current folder or
// this program's.
func FindSource() (string, error) {
	hack, err := hyper.FindSource()
	return filepath.Dir(hack), err
}

// ImageFile is where `make image` leaves the tarball.
func ImageFile(source string) string {
	return filepath.Join(source, "bin", "image", "braid-linux-amd64.tar")
}

func opener(file string) tarball.Opener {
	return func() (io.ReadCloser, error) { return os.Open(file) }
}

// imageName reads an image's name from its tarball.
func imageName(file string) (repository, tag string, err error) {
	manifest, err := tarball.LoadManifest(opener(file))
	if err != nil {
		return "", "", fmt.Errorf("image %s: %w", file, err)
	}
	if len(manifest) != 1 || len(manifest[0].RepoTags) != 1 {
		return "", "", fmt.Errorf("image %s: want one image with one name", file)
	}
	name := manifest[0].RepoTags[0]
	i := strings.LastIndex(name, ":")
	if i < 0 {
		return "", "", fmt.Errorf("image %s: its name %s has no tag", file, name)
	}
	return name[:i], name[i+1:], nil
}
