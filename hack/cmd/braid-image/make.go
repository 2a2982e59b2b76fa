package main

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/braid-csi/braid/hack/cluster/cache"
	"github.com/braid-csi/braid/hack/cluster/hyper"
	"github.com/braid-csi/braid/hack/image"
	"github.com/braid-csi/braid/hack/image/programs"
	"github.com/braid-csi/braid/hack/kernel"
)

// make builds the image for each platform, and writes all that was asked for.
func (o options) make(ctx context.Context) error {
	hack, err := hyper.FindSource()
	if err != nil {
		return err
	}
	source := filepath.Dir(hack)
	dir, err := kernel.DefaultDir()
	if err != nil {
		return err
	}
	store := cache.Store{Dir: dir, Progress: progress}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	labels := labels(ctx, source, o.version, o.created)
	var images []v1.Image
	for _, platform := range o.platforms {
		img, err := o.build(ctx, source, store, platform, labels)
		if err != nil {
			return err
		}
		if err := o.writeTarball(img, platform); err != nil {
			return err
		}
		images = append(images, img)
	}
	index, err := image.Index(labels, images...)
	if err != nil {
		return err
	}
	if err := o.writeLayout(index); err != nil {
		return err
	}
	if o.push == "" {
		return nil
	}
	digest, err := image.Push(ctx, o.push, index)
	if err == nil {
		progress("pushed %s", digest)
	}
	return err
}

// build makes the image for one platform. The programs from Debian are a layer
// below Braid's own, which change with every version.
func (o options) build(ctx context.Context, source string, store cache.Store, platform string, labels map[string]string) (v1.Image, error) {
	arch := path.Base(platform)
	base, err := programs.Files(ctx, store, arch, o.update)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "braid-image-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	progress("image: building Braid for %s", platform)
	if err := compile(ctx, source, dir, arch, o.version); err != nil {
		return nil, err
	}
	files, err := ownFiles(ctx, source, dir)
	if err != nil {
		return nil, err
	}
	return image.Build(image.Spec{
		Name: o.tag(), Platform: platform, Labels: labels, Created: o.created, Base: base, Files: files,
	})
}

func (o options) writeTarball(img v1.Image, platform string) error {
	to := filepath.Join(o.out, "braid-"+strings.ReplaceAll(platform, "/", "-")+".tar")
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := image.WriteTarball(f, o.tag(), img); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	info, err := os.Stat(to)
	if err != nil {
		return err
	}
	progress("%s: %s, %.1f MB", to, o.tag(), float64(info.Size())/1e6)
	return nil
}

// writeLayout replaces the layout of an earlier build.
func (o options) writeLayout(index v1.ImageIndex) error {
	to := filepath.Join(o.out, "oci")
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := image.WriteLayout(to, o.tag(), index); err != nil {
		return err
	}
	digest, err := index.Digest()
	if err == nil {
		progress("%s: %s", to, digest)
	}
	return err
}
