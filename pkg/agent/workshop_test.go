package agent

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// fakeLayer is a node with a volume, whose counters it resets in memory. What
// it did survives the executor, as the ledger does.
type fakeLayer struct {
	snap    *multipath.Snapshot
	did     []string
	records []ledger.Reset
	// rescanFails and resetFails, if set, are what comes of it: of a reset
	// before it is done, or after it if late.
	rescanFails, resetFails error
	late                    bool
	leaves                  bool // the volume, as a reset fails
	used                    bool // whatever is asked for
	asked                   string

	subsystem *multipath.Subsystem
	evidence  map[string]multipath.Evidence
	marginal  []string
	// then is what a lever leads to, and leverFails what comes of it.
	then       func()
	leverFails error

	mu         sync.Mutex // of maintenance, which has goroutines
	held       map[nvme.TransportID]multipath.Maintenance
	drainFails error
}

func (f *fakeLayer) Snapshot() *multipath.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snap
}

func (f *fakeLayer) Subsystem(nvme.NQN) *multipath.Subsystem { return f.subsystem }

func (f *fakeLayer) Evidence(context.Context, *multipath.Subsystem) map[string]multipath.Evidence {
	return f.evidence
}

// Prove has the network tell of the first controller, and another path complete
// something.
func (f *fakeLayer) Prove(_ context.Context, _, key string) error {
	f.did = append(f.did, "prove "+key)
	f.evidence["nvme0"] = multipath.Evidence{Connections: multipath.Silent, OthersComplete: true, Requests: "7"}
	return nil
}

func (f *fakeLayer) ResetController(_ context.Context, volumeID, key string, permit multipath.Permit) error {
	return f.pull("reset controller of", volumeID, key, permit)
}

func (f *fakeLayer) KickConnection(_ context.Context, volumeID, key string, permit multipath.Permit) error {
	return f.pull("kick", volumeID, key, permit)
}

func (f *fakeLayer) Reconnect(_ context.Context, volumeID, key string, permit multipath.Permit) error {
	return f.pull("reconnect", volumeID, key, permit)
}

func (f *fakeLayer) Bench(_ context.Context, volumeID, key string, _ time.Duration, permit multipath.Permit) error {
	return f.pull("bench", volumeID, key, permit)
}

func (f *fakeLayer) pull(lever, volumeID, key string, permit multipath.Permit) error {
	if err := permit(f.snap.PathSet(volumeID), f.subsystem); err != nil {
		return err
	}
	f.did = append(f.did, lever+" "+key)
	if f.then != nil {
		f.then()
	}
	return f.leverFails
}

func (f *fakeLayer) Rescan(_ context.Context, volumeID, devNum string) (multipath.Device, error) {
	f.did = append(f.did, "rescan "+volumeID+" "+devNum)
	return multipath.Device{Name: "nvme0n1", SizeBytes: 1 << 26}, f.rescanFails
}

func (f *fakeLayer) Reset(_ context.Context, volumeID string, req ledger.ResetRequest) (ledger.Reset, error) {
	if r, ok := f.ResetOf(req.Request); ok {
		return r, nil
	}
	if f.leaves {
		f.snap = &multipath.Snapshot{}
	}
	if f.resetFails != nil && !f.late {
		return ledger.Reset{}, f.resetFails
	}
	f.did = append(f.did, fmt.Sprintf("reset %s by %s: %s", volumeID, req.By, req.Reason))
	r := ledger.Reset{
		ID: fmt.Sprint("R", 1+len(f.records)), By: req.By, Reason: req.Reason, Request: req.Request, At: after(5),
		Before: map[string]ledger.Tallies{
			"tcp://192.0.2.1:4420": {nvme.Failovers: {SinceReset: 32, Lifetime: 40}, nvme.Errors: {}},
			ledger.HeadKey:         {nvme.Requeues: {SinceReset: 2, Lifetime: 2}},
		},
		After: map[string]ledger.Tallies{
			"tcp://192.0.2.1:4420": {nvme.Failovers: {SinceReset: 1, Lifetime: 41}, nvme.Errors: {}},
			ledger.HeadKey:         {nvme.Requeues: {Lifetime: 2}},
		},
	}
	f.records = append(f.records, r)
	if f.resetFails != nil {
		return ledger.Reset{}, f.resetFails
	}
	return r, nil
}

func (f *fakeLayer) ResetOf(request string) (ledger.Reset, bool) {
	for _, r := range f.records {
		if r.Request == request {
			return r, true
		}
	}
	return ledger.Reset{}, false
}

func (f *fakeLayer) InUse(_ context.Context, nqn nvme.NQN, id nvme.NamespaceID) (bool, error) {
	f.asked = fmt.Sprint(nqn, " ", id)
	return f.used, nil
}

// requested asks for both actions.
func requested(change ...func(*v1alpha1.NVMePathRemediation)) *v1alpha1.NVMePathRemediation {
	r := &v1alpha1.NVMePathRemediation{
		ObjectMeta: metav1.ObjectMeta{Name: "fix", UID: "request-uid"},
		Spec: v1alpha1.NVMePathRemediationSpec{
			NodeName: testNode, PathSet: ordersName, Actions: []v1alpha1.RemediationAction{v1alpha1.ActionRescan, v1alpha1.ActionResetCounters},
			Reason: "port 1 repaired", RequestedBy: "jane@example.org",
		},
	}
	for _, c := range change {
		c(r)
	}
	return r
}

// workshop is an executor over an API and a layer that outlive it.
type workshop struct {
	*overview
	executor *executor
	steward  *steward
	policies *policies
	t        *testing.T
	ctx      context.Context
	api      *fakeAPI
	node     *fakeLayer
	clock    time.Time
	told     []happening
	due      map[string]time.Time // when a remediation is looked at next
}

func newWorkshop(t *testing.T, r *v1alpha1.NVMePathRemediation) *workshop {
	t.Helper()
	w := &workshop{t: t, policies: newPolicies(testNode, health.DefaultPolicy()), api: newFakeAPI(t, r), node: &fakeLayer{snap: &multipath.Snapshot{PathSets: []multipath.PathSet{orders()}}}, clock: noon}
	w.ctx = klog.NewContext(t.Context(), ktesting.NewLogger(ktesting.NopTL{}, ktesting.NewConfig()))
	w.restart()
	return w
}

// restart forgets what was in memory.
func (w *workshop) restart() {
	w.overview = newOverview(testNode, w.node, w.policies, func(string) []string { return w.node.marginal }, func() time.Time { return w.clock })
	w.executor = newExecutor(w.overview, w.api, func(_ string, h happening) { w.told = append(w.told, h) })
	w.due = map[string]time.Time{}
	w.steward = newSteward(w.overview, w.api, w.api.store, func(_ string, h happening) { w.told = append(w.told, h) })
}

// work lets the executor have a go at the remediation.
func (w *workshop) work() error {
	_, err := w.executor.Reconcile(w.ctx, requestFor("fix"))
	return err
}

func (w *workshop) status() v1alpha1.NVMePathRemediationStatus {
	w.t.Helper()
	var r v1alpha1.NVMePathRemediation
	if err := w.api.store.Get(w.t.Context(), client.ObjectKey{Name: "fix"}, &r); err != nil {
		w.t.Fatal(err)
	}
	return r.Status
}

// outcome is what a test compares of a status.
type outcome struct {
	Succeeded string
	Steps     []string
	ResetID   string
}

func outcomeOf(s v1alpha1.NVMePathRemediationStatus) outcome {
	o := outcome{ResetID: s.ResetID}
	if c := succeeded(&s); c != nil {
		o.Succeeded = fmt.Sprintf("%s/%s", c.Status, c.Reason)
	}
	for _, step := range s.Steps {
		o.Steps = append(o.Steps, fmt.Sprintf("%s %s", step.Action, step.Outcome))
	}
	return o
}
