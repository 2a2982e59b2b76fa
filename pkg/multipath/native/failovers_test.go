package native

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// fakeCount is a count of failovers by diskseq.
type fakeCount struct {
	counts map[uint64]uint64
	missed uint64
	err    error
	forgot []uint64
	id     uint32 // added to 5
	closed bool
}

func (f *fakeCount) ID() uint32                         { return 5 + f.id }
func (f *fakeCount) Counts() (map[uint64]uint64, error) { return f.counts, f.err }
func (f *fakeCount) Missed() (uint64, error)            { return f.missed, nil }
func (f *fakeCount) Close() error {
	f.closed = true
	return nil
}

func (f *fakeCount) Watch(ctx context.Context, look func()) error {
	look()
	<-ctx.Done()
	return nil
}

func (f *fakeCount) Forget(counts map[uint64]uint64, live func(uint64) bool) error {
	for diskseq := range counts {
		if !live(diskseq) {
			f.forgot = append(f.forgot, diskseq)
		}
	}
	return nil
}

// oneTree is a node with one path, whose disk has the diskseq 8.
func oneTree(t *testing.T, attributes map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{
		"module/nvme_core/.keep":                            "",
		"class/nvme-subsystem/nvme-subsys0/subsysnqn":       "nqn.2026-11.dev.braid:one\n",
		"class/nvme-subsystem/nvme-subsys0/nvme0/.keep":     "",
		"class/nvme/nvme0/transport":                        "tcp\n",
		"class/nvme/nvme0/state":                            "live\n",
		"class/nvme/nvme0/address":                          "traddr=192.0.2.1,trsvcid=4420\n",
		"class/nvme-subsystem/nvme-subsys0/nvme0n1/dev":     "259:0\n",
		"class/nvme-subsystem/nvme-subsys0/nvme0n1/size":    "8\n",
		"class/nvme-subsystem/nvme-subsys0/nvme0n1/diskseq": "7\n",
		"class/nvme/nvme0/nvme0c0n1/size":                   "8\n",
		"class/nvme/nvme0/nvme0c0n1/diskseq":                "8\n",
	} {
		put(t, root, name, content)
	}
	for name, content := range attributes {
		put(t, root, filepath.Join("class/nvme/nvme0/nvme0c0n1", name), content)
	}
	return root
}

func TestFailoversBeside(t *testing.T) {
	const disk8, bpf5 = testBootID + "/disk/8", testBootID + "/bpf/5"
	attribute := map[string]string{"diag/multipath_failover_count": "12\n"}
	witness := func(n uint64, exact bool) *ledger.Witness {
		return &ledger.Witness{Epoch: bpf5, Counters: nvme.Counters{nvme.Failovers: n}, Exact: exact}
	}
	type account struct {
		Source   nvme.CounterSource
		Reason   string
		Epoch    string
		Counters nvme.Counters
		Exact    bool
		Witness  *ledger.Witness
	}
	for _, tc := range []struct {
		name       string
		attributes map[string]string
		attach     func() (FailoverCounter, error)
		want       account
	}{
		{"no attribute", nil, counting(&fakeCount{counts: map[uint64]uint64{8: 3}}),
			account{nvme.SourceBPF, "", bpf5 + "/disk/8", nvme.Counters{nvme.Failovers: 3}, true, nil}},
		{"none yet", nil, counting(&fakeCount{}),
			account{nvme.SourceBPF, "", bpf5 + "/disk/8", nvme.Counters{nvme.Failovers: 0}, true, nil}},
		{"some missed", nil, counting(&fakeCount{counts: map[uint64]uint64{8: 3}, missed: 1}),
			account{nvme.SourceBPF, "", bpf5 + "/disk/8", nvme.Counters{nvme.Failovers: 3}, false, nil}},
		{"beside the attribute", attribute, counting(&fakeCount{counts: map[uint64]uint64{8: 3}}),
			account{nvme.SourceBoth, "", disk8, nvme.Counters{nvme.Failovers: 12}, true, witness(3, true)}},
		{"beside the flat attribute, which may lose some", map[string]string{"multipath_failover_count": "10\n"}, counting(&fakeCount{counts: map[uint64]uint64{8: 12}}),
			account{nvme.SourceBoth, "", disk8, nvme.Counters{nvme.Failovers: 10}, false, witness(12, true)}},
		{"not possible", nil, func() (FailoverCounter, error) { return nil, errors.New("no BTF") },
			account{nvme.SourceUnsupported, "no BTF", disk8, nil, true, nil}},
		{"not possible, beside the attribute", attribute, func() (FailoverCounter, error) { return nil, errors.New("no BTF") },
			account{nvme.SourceKernelAttribute, "", disk8, nvme.Counters{nvme.Failovers: 12}, true, nil}},
		{"switched off", nil, nil,
			account{nvme.SourceUnsupported, "counting by BPF is switched off", disk8, nil, true, nil}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := testEngine(t, oneTree(t, tc.attributes))
			e.failovers.attach = tc.attach
			obs, err := e.Observe(t.Context())
			p := path(t, obs, err)
			if diff := cmp.Diff(tc.want, account{p.Source, p.SourceReason, p.Epoch, p.Counters, p.Exact, p.Witness}); diff != "" {
				t.Errorf("account (-want +got):\n%s", diff)
			}
		})
	}
}

func counting(f *fakeCount) func() (FailoverCounter, error) {
	return func() (FailoverCounter, error) { return f, nil }
}

// TestFailoversOfGonePaths: the last words about a disk that is gone are found
// under the epochs that its path had with the one source and the other.
func TestFailoversOfGonePaths(t *testing.T) {
	e := testEngine(t, oneTree(t, nil))
	f := &fakeCount{counts: map[uint64]uint64{8: 3, 6: 4}}
	e.failovers.attach = counting(f)
	obs, err := e.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := &ledger.Witness{Epoch: testBootID + "/bpf/5", Counters: nvme.Counters{nvme.Failovers: 4}, Exact: true}
	want := map[string]*ledger.Witness{testBootID + "/disk/6": w, testBootID + "/bpf/5/disk/6": w}
	if diff := cmp.Diff(want, obs.Ended); diff != "" {
		t.Errorf("ended (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint64{6}, f.forgot); diff != "" {
		t.Errorf("may be forgotten (-want +got):\n%s", diff)
	}
}

// TestRequestsBeside: what else is counted of a path's requests, where it can
// be, goes with the failovers.
func TestRequestsBeside(t *testing.T) {
	counts := func(retries, failures *fakeCount) requestCounts {
		of := func(f *fakeCount) func() (KernelCounter, error) {
			return func() (KernelCounter, error) {
				if f == nil {
					return nil, errors.New("no such function")
				}
				return f, nil
			}
		}
		return requestCounts{{counter: nvme.Retries, attach: of(retries)}, {counter: nvme.Errors, attach: of(failures)}}
	}
	count := func(n uint64) *fakeCount { return &fakeCount{counts: map[uint64]uint64{8: n, 6: n + 1}} }
	attributes := map[string]string{
		"diag/multipath_failover_count": "3\n", "diag/command_retries_count": "20\n", "diag/command_error_count": "30\n",
	}
	for _, tc := range []struct {
		name       string
		attributes map[string]string
		requests   requestCounts
		counters   nvme.Counters // of the path
		witness    nvme.Counters
		ended      nvme.Counters // of one that is gone, with BPF alone
		exact      bool
	}{
		{"both", nil, counts(count(2), count(5)), nvme.Counters{nvme.Failovers: 3, nvme.Retries: 2, nvme.Errors: 5}, nil,
			nvme.Counters{nvme.Failovers: 0, nvme.Retries: 3, nvme.Errors: 6}, true},
		{"not possible", nil, counts(nil, count(5)), nvme.Counters{nvme.Failovers: 3, nvme.Errors: 5}, nil,
			nvme.Counters{nvme.Failovers: 0, nvme.Errors: 6}, true},
		{"some missed", nil, counts(&fakeCount{missed: 1}, count(5)), nvme.Counters{nvme.Failovers: 3, nvme.Retries: 0, nvme.Errors: 5}, nil,
			nvme.Counters{nvme.Failovers: 0, nvme.Retries: 0, nvme.Errors: 6}, false},
		{"errors are the attribute's where it counts them", attributes, counts(count(2), count(5)),
			nvme.Counters{nvme.Failovers: 3, nvme.Retries: 20, nvme.Errors: 30}, nvme.Counters{nvme.Failovers: 3, nvme.Retries: 2},
			nvme.Counters{nvme.Failovers: 0, nvme.Retries: 3, nvme.Errors: 6}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := testEngine(t, oneTree(t, tc.attributes))
			e.failovers.attach, e.failovers.requests = counting(&fakeCount{counts: map[uint64]uint64{8: 3}}), tc.requests
			obs, err := e.Observe(t.Context())
			p := path(t, obs, err)
			if diff := cmp.Diff(tc.counters, p.Counters); diff != "" {
				t.Errorf("counters (-want +got):\n%s", diff)
			}
			var witness nvme.Counters
			exact := p.Exact
			if p.Witness != nil {
				witness, exact = p.Witness.Counters, p.Witness.Exact
			}
			if diff := cmp.Diff(tc.witness, witness); diff != "" || exact != tc.exact {
				t.Errorf("witness, exact %t (-want +got):\n%s", exact, diff)
			}
			if diff := cmp.Diff(tc.ended, obs.Ended[testBootID+"/bpf/5/disk/6"].Counters); diff != "" {
				t.Errorf("of a path that is gone (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFailoversUnreadable: a count that cannot be read is no zero.
func TestFailoversUnreadable(t *testing.T) {
	e := testEngine(t, oneTree(t, nil))
	broken := errors.New("broken")
	e.failovers.attach = counting(&fakeCount{err: broken})
	if obs, err := e.Observe(t.Context()); !errors.Is(err, broken) || obs != nil {
		t.Errorf("got %v, %v; want the error alone", obs, err)
	}
}

// TestFailoversAttachedLate: once nvme_core is there, and then once.
func TestFailoversAttachedLate(t *testing.T) {
	root := t.TempDir()
	e := testEngine(t, root)
	attached := 0
	e.failovers.attach = func() (FailoverCounter, error) {
		attached++
		return nil, errors.New("not permitted")
	}
	look := func() *multipath.Observation {
		t.Helper()
		obs, err := e.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return obs
	}
	look()
	if attached != 0 || e.failovers.reason != "kernel module nvme_core is not loaded" {
		t.Errorf("attached %d times to nothing; reason %q", attached, e.failovers.reason)
	}
	put(t, root, "module/nvme_core/.keep", "")
	look()
	look()
	if attached != 1 || e.failovers.reason != "not permitted" {
		t.Errorf("tried %d times, want once; reason %q", attached, e.failovers.reason)
	}
}

// TestFailoversModuleReloaded: a count does not outlive the module, and another
// begins with the next one. It is watched as the first was.
func TestFailoversModuleReloaded(t *testing.T) {
	root := oneTree(t, nil)
	e := testEngine(t, root)
	var counts, retries []*fakeCount
	begin := func(all *[]*fakeCount) *fakeCount {
		f := &fakeCount{id: uint32(len(*all)), counts: map[uint64]uint64{8: 3}}
		*all = append(*all, f)
		return f
	}
	e.failovers.attach = func() (FailoverCounter, error) { return begin(&counts), nil }
	e.failovers.requests = requestCounts{{counter: nvme.Retries, attach: func() (KernelCounter, error) { return begin(&retries), nil }}}
	ctx, cancel := context.WithCancel(t.Context())
	watched, ended := make(chan struct{}), make(chan error)
	go func() { ended <- e.failovers.watch(ctx, func() { watched <- struct{}{} }) }()
	look := func(want string) {
		t.Helper()
		obs, err := e.Observe(ctx)
		if p := path(t, obs, err); p.Epoch != want {
			t.Errorf("epoch %q (%s), want %q", p.Epoch, p.SourceReason, want)
		}
	}
	module, away := filepath.Join(root, "module"), filepath.Join(root, "unloaded")
	look(testBootID + "/bpf/5/disk/8")
	<-watched
	look(testBootID + "/bpf/5/disk/8")
	if err := os.Rename(module, away); err != nil {
		t.Fatal(err)
	}
	look(testBootID + "/disk/8")
	put(t, root, "module/nvme_core/.keep", "")
	look(testBootID + "/bpf/6/disk/8")
	<-watched
	if len(counts) != 2 || len(retries) != 2 || !counts[0].closed || !retries[0].closed || counts[1].closed || retries[1].closed {
		t.Errorf("began %d and %d times, want twice, and the first to have ended", len(counts), len(retries))
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("watching ended with %v", err)
	}
}

// TestFailoversAreHints: the observer is woken by them, however late the count
// begins.
func TestFailoversAreHints(t *testing.T) {
	root := t.TempDir()
	e := testEngine(t, root)
	e.failovers.attach = counting(&fakeCount{})
	ctx, cancel := context.WithCancel(t.Context())
	hinted, ended := make(chan struct{}), make(chan error)
	go func() { ended <- e.failovers.watch(ctx, func() { close(hinted) }) }()
	put(t, root, "module/nvme_core/.keep", "")
	if _, err := e.Observe(ctx); err != nil {
		t.Fatal(err)
	}
	<-hinted
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("watching ended with %v", err)
	}
}
