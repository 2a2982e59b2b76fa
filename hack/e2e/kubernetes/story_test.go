package kubernetes

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/braid-csi/braid/hack/story"
)

// TestKubernetesStory is what make demo shows, up to the first claim that does
// not hold.
func TestKubernetesStory(t *testing.T) {
	s := &scene{t: t, ctx: context.WithoutCancel(t.Context()), lab: shared.get(t, kind{gates: story.Gates}), evidence: filepath.Join(artifacts(t), t.Name())}
	t.Cleanup(s.sweep)
	must(t, s.lab.Uninstall(s.ctx)) // the story begins with that
	must(t, story.Tell(s.ctx, s.lab, &story.Printer{W: t.Output()}, s.evidence))
}
