package kubernetes

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/braid-csi/braid/hack/story"
)

// TestKubernetesStory is what make demo shows, up to the first claim that does
// not hold: the story leaves evidence itself, and why it failed is said last.
func TestKubernetesStory(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	l := shared.get(t, kind{gates: story.Gates})
	t.Cleanup(func() {
		if t.Failed() {
			abandon(t)
		}
	})
	must(t, l.Uninstall(ctx)) // the story begins with that
	must(t, story.Tell(ctx, l, &story.Printer{W: t.Output()}, filepath.Join(artifacts(t), t.Name())))
}
