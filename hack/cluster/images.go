package cluster

import (
	"context"
	"fmt"
	"os"

	"github.com/braid-csi/braid/hack/image"
)

// pauseImage is every pod's sandbox, by the name containerd's configuration on
// the node's disk has for it.
const pauseImage = "localhost/pause:1"

// importImages gives the node what it needs before it can run any pod, and what
// the user wants it to have.
func (c *Cluster) importImages(ctx context.Context, tarballs []string) error {
	pause, err := c.pause(ctx)
	if err != nil {
		return err
	}
	for _, t := range append([]string{pause}, tarballs...) {
		if err := c.Node.Import(ctx, t); err != nil {
			return fmt.Errorf("image %s: %w", t, err)
		}
	}
	return nil
}

func (c *Cluster) pause(ctx context.Context) (string, error) {
	program, err := c.parts.build(ctx, "braid-pause", c.state.dir)
	if err != nil {
		return "", err
	}
	files := image.NewFiles()
	if err := files.File("/pause", program); err != nil {
		return "", err
	}
	f, err := os.Create(c.state.path("pause.tar"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	spec := image.Spec{Name: pauseImage, Entrypoint: []string{"/pause"}, Files: files}
	if err := image.Write(f, spec); err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}
