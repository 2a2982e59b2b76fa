// Package image writes container images from files, without a registry and
// without a container runtime. The same files give the same image, byte for
// byte.
package image

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Spec describes an image.
type Spec struct {
	// Name is what pods call it: localhost/braid-node:test. A host that does
	// not exist keeps everybody from looking for it in a registry.
	Name string
	// Platform is what it runs on, linux/arm64; empty: linux/amd64.
	Platform   string
	Entrypoint []string
	Env        []string
	Labels     map[string]string
	// Created is when it says that it was made; zero: 1970. It is no clock's,
	// or no two images would be the same.
	Created time.Time
	// Base are files that change less often than the others: a layer of their
	// own, which nodes and registries then have already. None: nil.
	Base *Files
	// Files are the image's last layer.
	Files *Files
}

// searchPath is what an image has if it sets nothing else.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Write writes the image as a tarball, as docker save does: containerd and
// everybody else reads it.
func Write(w io.Writer, s Spec) error {
	img, err := Build(s)
	if err != nil {
		return err
	}
	return WriteTarball(w, s.Name, img)
}

// WriteTarball writes an image that was built, under a name.
func WriteTarball(w io.Writer, as string, img v1.Image) error {
	tag, err := name.NewTag(as)
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	if err := tarball.Write(tag, img, w); err != nil {
		return fmt.Errorf("image %s: %w", as, err)
	}
	return nil
}

// Build makes the image.
func Build(s Spec) (v1.Image, error) {
	img, err := s.build()
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", s.Name, err)
	}
	return img, nil
}

func (s Spec) build() (v1.Image, error) {
	platform, err := s.platform()
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: s.Created.UTC()}
	if s.Created.IsZero() {
		created.Time = time.Unix(0, 0).UTC()
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, files := range []*Files{s.Base, s.Files} {
		if files == nil {
			continue
		}
		l, err := layer(files)
		if err != nil {
			return nil, err
		}
		if img, err = mutate.Append(img, mutate.Addendum{Layer: l, History: v1.History{Created: created}}); err != nil {
			return nil, err
		}
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Created = created
	config.OS, config.Architecture, config.Variant = platform.OS, platform.Architecture, platform.Variant
	config.Config = v1.Config{Entrypoint: s.Entrypoint, Env: append([]string{searchPath}, s.Env...), Labels: s.Labels}
	return mutate.ConfigFile(img, config)
}

func (s Spec) platform() (*v1.Platform, error) {
	if s.Platform == "" {
		return &v1.Platform{OS: "linux", Architecture: "amd64"}, nil
	}
	return v1.ParsePlatform(s.Platform)
}

// layer packs files once: the library would do it anew for each of digest, size
// and content.
func layer(files *Files) (v1.Layer, error) {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.DefaultCompression)
	if err != nil {
		return nil, err
	}
	if err := files.writeTo(z); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(packed.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
}
