package kubectl

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

func TestPathsPage(t *testing.T) {
	set := cut(newSet("shop", "orders", "node-a"), 13)
	stray := v1alpha1.PathStatus{
		Address: "tcp://192.0.2.34:4420", Usable: true, Controller: "nvme2", ControllerState: "live",
		CounterSource: unsupported, CounterSourceReason: "the kernel has no BTF",
	}
	bound := newPath("tcp://192.0.2.50:4420", "nvme3")
	bound.Exact, bound.Failovers = false, &v1alpha1.Count{SinceReset: 4, Lifetime: 9}
	set.Status.Paths = append(set.Status.Paths, stray, bound, v1alpha1.PathStatus{Address: "tcp://192.0.2.66:4420", Expected: true})
	goldenPage(t, "paths.txt", func(p *page) { p.paths(&set) })
}

func TestDescribePage(t *testing.T) {
	set := cut(newSet("shop", "orders", "node-a"), 13)
	set.Status.LastReset = &v1alpha1.ResetRecord{ID: "YBR6", Time: *before(26 * time.Hour), By: "alice", Reason: "port 1 repaired, ticket 4711"}
	asked := record("orders-0123456789-k2")
	asked.Status = v1alpha1.NVMePathRemediationStatus{}
	events := []corev1.Event{{
		Type: "Warning", Reason: "PathRedundancyLost", Message: readiness(&set).Message, LastTimestamp: *before(14 * time.Minute),
	}}
	goldenPage(t, "describe.txt", func(p *page) {
		p.describe(story{&set, []v1alpha1.NVMePathRemediation{*record("orders-0123456789-k1"), *asked}, events, nil})
	})
	bare := v1alpha1.NVMePathSet{Spec: newSet("", "new", "node-a").Spec}
	bare.Name = "new-0123456789"
	goldenPage(t, "describe-new.txt", func(p *page) { p.describe(story{set: &bare, untold: errors.New("events is forbidden")}) })
}
