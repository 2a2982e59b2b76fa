package agent

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// BenchmarkSee takes up a snapshot of a thousand volumes of four paths each
// that is as the one before. It runs twice a second on every node.
func BenchmarkSee(b *testing.B) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	r := newReporter(Config{Node: "worker-1", Clock: func() time.Time { return at }}, nil, nil, newMaintainer("worker-1", nil))
	snap := &multipath.Snapshot{At: at}
	for v := range 1000 {
		set := multipath.PathSet{
			VolumeID: fmt.Sprint("volume-", v), SubsystemNQN: "nqn.2026-11.dev.braid:a", Expected: 4,
			Device: multipath.Device{State: multipath.DevicePresent, Name: "nvme0n1"}, Head: ledger.Tallies{nvme.Requeues: {}, nvme.Failures: {}},
		}
		for p := range 4 {
			way := nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: fmt.Sprint("192.0.2.", p), TrSvcID: "4420"}
			set.Paths = append(set.Paths, multipath.Path{
				Address: way, Key: way.String(), Expected: true, Name: "nvme0c0n1", Controller: "nvme0", State: nvme.StateLive, Source: nvme.SourceKernelAttribute,
				Record:           ledger.Record{CountedSince: at, Exact: true, Tallies: ledger.Tallies{nvme.Failovers: {}, nvme.Retries: {}, nvme.Errors: {}}},
				ControllerRecord: ledger.Record{Tallies: ledger.Tallies{nvme.Resets: {}, nvme.Reconnects: {}}},
			})
		}
		snap.PathSets = append(snap.PathSets, set)
	}
	o := observation{Snapshot: snap, findings: make([][]health.Finding, len(snap.PathSets))}
	r.see(o)
	for _, e := range r.entries {
		e.presence, e.have = present, *e.want
	}
	b.ReportAllocs()
	for b.Loop() {
		r.see(o)
	}
}

// BenchmarkRound looks for something to do on a node with a thousand volumes,
// all of them well and with records, in subsystems of their own and in one. It
// runs with each snapshot on every node with a policy.
func BenchmarkRound(b *testing.B) {
	for _, subsystems := range []int{1000, 1} {
		b.Run(fmt.Sprint(subsystems), func(b *testing.B) {
			snap, records := &multipath.Snapshot{At: noon}, cached{}
			for v := range 1000 {
				set := orders(func(s *multipath.PathSet) {
					s.VolumeID, s.SubsystemNQN = fmt.Sprint("volume-", v), nvme.NQN(fmt.Sprint("nqn.2026-11.dev.braid:", v%subsystems))
				})
				snap.PathSets = append(snap.PathSets, set)
				for range 2 {
					r := requested()
					r.Spec.PathSet = Name(testNode, set.VolumeID)
					r.Status.Steps = []v1alpha1.RemediationStep{{Action: "ResetCounters", Outcome: "Done", Time: stamp(noon)}}
					r.Status.Conditions = []metav1.Condition{{Type: "Succeeded", Status: "True", Reason: "Done"}}
					records = append(records, *r)
				}
			}
			p := newPolicies(testNode, health.DefaultPolicy())
			p.take([]v1alpha1.NVMePathPolicy{policyFor("d", doing("ResetController", "ResetCounters"))})
			o := newOverview(testNode, &fakeLayer{snap: snap}, p, func(string) []string { return nil }, func() time.Time { return noon })
			w := newSteward(o, nil, records, func(string, happening) {})
			w.swept = noon
			b.ReportAllocs()
			for b.Loop() {
				if err := w.round(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// cached is a cache that has these.
type cached []v1alpha1.NVMePathRemediation

func (c cached) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return nil
}

func (c cached) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	list.(*v1alpha1.NVMePathRemediationList).Items = c
	return nil
}
