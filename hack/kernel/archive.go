package kernel

import (
	"context"
	"fmt"
	"strings"

	"github.com/braid-csi/braid/hack/debian"
)

// resolve returns the kernel release that a meta package stands for today.
func resolve(ctx context.Context, a *debian.Archive, meta string) (string, error) {
	depends, err := a.Depends(ctx, meta)
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
func packages(ctx context.Context, a *debian.Archive, release string) ([]string, error) {
	image := "linux-image-" + release
	depends, err := a.Depends(ctx, image)
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
