// Package image writes container images from files, without a registry and
// without a container runtime. The same files give the same image, byte for
// byte.
package image

import (
	"bytes"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Spec describes an image.
type Spec struct {
	// Name is what pods call it: localhost/braid-node:test. A host that does
	// not exist keeps everybody from looking for it in a registry.
	Name       string
	Entrypoint []string
	Env        []string
	// Files are the image's only layer.
	Files *Files
}

// searchPath is what an image has if it sets nothing else.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Write writes the image as a tarball, as docker save does: containerd and
// everybody else reads it.
func Write(w io.Writer, s Spec) error {
	tag, err := name.NewTag(s.Name)
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	img, err := build(s)
	if err != nil {
		return fmt.Errorf("image %s: %w", s.Name, err)
	}
	if err := tarball.Write(tag, img, w); err != nil {
		return fmt.Errorf("image %s: %w", s.Name, err)
	}
	return nil
}

func build(s Spec) (v1.Image, error) {
	var content bytes.Buffer
	if err := s.Files.writeTo(&content); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content.Bytes())), nil
	})
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	config.Config = v1.Config{Entrypoint: s.Entrypoint, Env: append([]string{searchPath}, s.Env...)}
	return mutate.ConfigFile(img, config)
}
