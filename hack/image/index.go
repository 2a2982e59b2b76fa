package image

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Index joins the images of several platforms under one digest: whoever pulls
// it gets the one for its platform.
func Index(annotations map[string]string, images ...v1.Image) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, img := range images {
		config, err := img.ConfigFile()
		if err != nil {
			return nil, fmt.Errorf("image index: %w", err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        img,
			Descriptor: v1.Descriptor{Platform: config.Platform()},
		})
	}
	if len(annotations) == 0 {
		return index, nil
	}
	return mutate.Annotations(index, annotations).(v1.ImageIndex), nil
}

// refName is where tools look for an image's name in a layout
// (OCI image specification, annotations).
const refName = "org.opencontainers.image.ref.name"

// WriteLayout writes an index as an OCI layout into a folder that is empty or
// does not exist: skopeo, crane and oras read it.
func WriteLayout(dir, as string, index v1.ImageIndex) error {
	tag, err := name.NewTag(as)
	if err != nil {
		return fmt.Errorf("image layout: %w", err)
	}
	at, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("image layout: %w", err)
	}
	if err := at.AppendIndex(index, layout.WithAnnotations(map[string]string{refName: tag.TagStr()})); err != nil {
		return fmt.Errorf("image layout: %w", err)
	}
	return nil
}

// Push writes an index with all its images to a registry, as whoever docker or
// podman is logged in there, and returns the name by digest.
func Push(ctx context.Context, to string, index v1.ImageIndex) (string, error) {
	tag, err := name.NewTag(to)
	if err != nil {
		return "", fmt.Errorf("pushing: %w", err)
	}
	err = remote.WriteIndex(tag, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return "", fmt.Errorf("pushing %s: %w", tag, err)
	}
	digest, err := index.Digest()
	if err != nil {
		return "", fmt.Errorf("pushing %s: %w", tag, err)
	}
	return tag.Digest(digest.String()).String(), nil
}
