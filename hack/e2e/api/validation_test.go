package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// edit sets one field of a valid object, or removes it.
type edit struct {
	field string // spec.claimRef.name
	value any    // nil removes it
}

func (e edit) String() string {
	if e.value == nil {
		return e.field + " removed"
	}
	b, err := json.Marshal(e.value)
	if err != nil {
		panic(err) // a mistake in the table
	}
	value := string(b)
	if n := len(value); n > 120 {
		value = strings.ToValidUTF8(value[:60], "") + " ... " + strings.ToValidUTF8(value[n-40:], "")
	}
	return e.field + ": " + value
}

func (e edit) apply(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()
	path := strings.Split(e.field, ".")
	if e.value == nil {
		unstructured.RemoveNestedField(o.Object, path...)
		return
	}
	must(t, unstructured.SetNestedField(o.Object, e.value, path...))
}

// verdict is what the API server says to the object with the edit: how it
// refuses it, by field, or nothing.
func verdict(t *testing.T, live *unstructured.Unstructured, e edit, create bool) string {
	t.Helper()
	o := live.DeepCopy()
	var err error
	switch {
	case strings.HasPrefix(e.field, "status"):
		e.apply(t, o)
		err = server.admin.Status().Update(t.Context(), o, client.DryRunAll)
	case create:
		o = &unstructured.Unstructured{Object: map[string]any{"spec": o.Object["spec"]}}
		o.SetGroupVersionKind(live.GroupVersionKind())
		o.SetName(live.GetName() + "-new")
		e.apply(t, o)
		err = server.admin.Create(t.Context(), o, client.DryRunAll)
	default:
		e.apply(t, o)
		err = server.admin.Update(t.Context(), o, client.DryRunAll)
	}
	if err == nil {
		return ""
	}
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) {
		t.Fatalf("%s: %v", e, err)
	}
	var causes []string
	for _, c := range status.Status().Details.Causes {
		if strings.Contains(c.Message, "some validation rules were not checked") {
			continue // there is another error
		}
		causes = append(causes, fmt.Sprintf("    %s: %.200s", c.Field, c.Message))
	}
	if causes == nil {
		t.Fatalf("%s: refused for no cause: %v", e, err)
	}
	slices.Sort(causes)
	return strings.Join(causes, "\n")
}

// judge holds the API server's verdicts against the tables', and the refusals'
// words against those in testdata.
func judge(t *testing.T, name string, live *unstructured.Unstructured, create bool, accepted, refused []edit) {
	for _, e := range accepted {
		if v := verdict(t, live, e, create); v != "" {
			t.Errorf("%s\n  is refused:\n%s", e, v)
		}
	}
	var words strings.Builder
	for _, e := range refused {
		v := verdict(t, live, e, create)
		if v == "" {
			t.Errorf("%s\n  is accepted", e)
		}
		fmt.Fprintf(&words, "%s\n%s\n", e, v)
	}
	golden(t, name, words.String())
}

// stored creates an object with a status, and returns it as the API server has it.
func stored(t *testing.T, o client.Object) *unstructured.Unstructured {
	t.Helper()
	whole, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	must(t, err)
	created(t, o)
	live := &unstructured.Unstructured{Object: whole}
	if whole["status"] == nil {
		must(t, server.admin.Get(t.Context(), client.ObjectKeyFromObject(o), live))
		return live
	}
	live.SetResourceVersion("")
	must(t, server.admin.Status().Patch(t.Context(), live, client.Merge))
	return live
}

func long(n int) string { return strings.Repeat("x", n) }

// list has n elements, each the same.
func list(n int, element any) []any { return slices.Repeat([]any{element}, n) }

func TestPathSetValidation(t *testing.T) {
	object := newPathSet("validation", "node-a")
	object.Status = pathSetStatus()
	live := stored(t, object)
	id := func(kind, value string) edit {
		return edit{"spec.namespaceID", map[string]any{"type": kind, "value": value}}
	}
	address := func(a string) edit { return edit{"spec.addresses", []any{a}} }
	judge(t, "pathset-create.txt", live, true, []edit{
		{"spec.nodeName", long(253)},
		{"spec.volumeHandle", long(1024)},
		{"spec.persistentVolumeName", nil},
		{"spec.claimRef", nil},
		{"spec.claimRef.uid", nil},
		{"spec.subsystemNQN", "nqn.2014-08.org.nvmexpress.discovery"},
		{"spec.subsystemNQN", "nqn.2014-08.org.nvmexpress:uuid:0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190807"},
		id("nguid", nguid),
		id("eui64", nguid[:16]),
		address("tcp://[fe80::1%eth0]:4420"),
		{"spec.addresses", list(16, "tcp://192.0.2.2:4420")},
	}, []edit{
		{"spec", nil},
		{"spec.nodeName", nil},
		{"spec.nodeName", ""},
		{"spec.nodeName", long(254)},
		{"spec.volumeHandle", nil},
		{"spec.volumeHandle", ""},
		{"spec.volumeHandle", long(1025)},
		{"spec.persistentVolumeName", long(254)},
		{"spec.claimRef.namespace", nil},
		{"spec.claimRef.namespace", long(64)},
		{"spec.claimRef.name", nil},
		{"spec.claimRef.name", long(254)},
		{"spec.claimRef.uid", long(65)},
		{"spec.subsystemNQN", nil},
		{"spec.subsystemNQN", "iqn.2026-11.com.example:shelf1"},
		{"spec.subsystemNQN", "nqn.2026-13.com.example:shelf1"},
		{"spec.subsystemNQN", "nqn.2026-11.com.example:shelf1,traddr=192.0.2.9"},
		{"spec.subsystemNQN", "nqn.2026-11.com.example:shelf1\n"},
		{"spec.subsystemNQN", "nqn.2026-11.com.example:" + long(200)},
		{"spec.namespaceID", nil},
		{"spec.namespaceID.type", nil},
		{"spec.namespaceID.type", "wwn"},
		{"spec.namespaceID.value", nil},
		id("uuid", nguid),
		id("nguid", "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190807"),
		id("nguid", strings.ToUpper(nguid)),
		id("eui64", nguid),
		{"spec.addresses", nil},
		{"spec.addresses", []any{}},
		{"spec.addresses", list(17, "tcp://192.0.2.2:4420")},
		address("192.0.2.2:4420"),
		address("tcp://192.0.2.2:4420,192.0.2.3"),
		address("tcp://192.0.2.2:4420\n"),
		address("tcp://" + long(251)),
	})
	judge(t, "pathset-update.txt", live, false, []edit{
		{"spec.nodeName", "node-a"},
		{"spec.persistentVolumeName", "other"},
		{"spec.claimRef.name", "other"},
		{"spec.addresses", []any{"tcp://192.0.2.3:4420"}},
	}, []edit{
		{"spec.nodeName", "node-b"},
		{"spec.volumeHandle", "other"},
	})
}

func TestPathSetStatusValidation(t *testing.T) {
	object := newPathSet("validation", "node-a")
	object.Status = pathSetStatus()
	live := stored(t, object)
	paths := func(field string, value any) edit {
		p := map[string]any{"address": "tcp://192.0.2.2:4420", "expected": true, "usable": true}
		if value == nil {
			delete(p, field)
		} else {
			p[field] = value
		}
		return edit{"status.paths", []any{p}}
	}
	condition := func(field string, value any) edit {
		c := map[string]any{"type": "Ready", "status": "True", "reason": "Healthy", "message": "", "lastTransitionTime": "2026-11-22T12:00:00Z"}
		c[field] = value
		return edit{"status.conditions", []any{c}}
	}
	judge(t, "pathset-status.txt", live, false, []edit{
		{"status", nil},
		{"status.conditions", nil},
		{"status.failovers", int64(1) << 62},
		{"status.paths", list(64, map[string]any{"address": "tcp://192.0.2.2:4420", "expected": false, "usable": true})},
		paths("failovers", map[string]any{"sinceReset": int64(0), "lifetime": int64(1) << 62}),
		paths("connectError", long(1024)),
		condition("message", long(1024)),
		{"status.lastReset", nil},
		{"status.lastReset.by", "system:serviceaccount:" + long(63) + ":" + long(253)},
	}, []edit{
		{"status.summary", long(17)},
		{"status.usablePaths", int64(-1)},
		{"status.expectedPaths", int64(-1)},
		{"status.failovers", int64(-1)},
		{"status.engine", long(33)},
		{"status.device", long(65)},
		{"status.paths", list(65, map[string]any{"address": "tcp://192.0.2.2:4420", "expected": false, "usable": true})},
		paths("address", nil),
		paths("expected", nil),
		paths("usable", nil),
		paths("connectError", long(1025)),
		paths("failovers", map[string]any{"sinceReset": int64(1)}),
		paths("failovers", map[string]any{"sinceReset": int64(-1), "lifetime": int64(1)}),
		paths("lastFailoverTime", "yesterday"),
		condition("type", "not a condition"),
		condition("status", "Maybe"),
		condition("reason", "not a reason"),
		{"status.lastReset.by", nil},
		{"status.lastReset.reason", nil},
	})
}

func TestRemediationValidation(t *testing.T) {
	object := newRemediation("validation", "node-a", "admin")
	object.Status = remediationStatus()
	live := stored(t, object)
	disruptive := edit{"spec", map[string]any{
		"nodeName": "node-a", "pathSet": "x", "path": "tcp://192.0.2.2:4420", "reason": "port 1", "requestedBy": "admin",
		"actions": []any{"ResetController", "KickConnection", "Reconnect"},
	}}
	judge(t, "remediation-create.txt", live, true, []edit{
		{"spec.actions", []any{"Rescan"}},
		{"spec.actions", []any{"ResetCounters"}},
		{"spec.actions", []any{"ResetCounters", "Rescan"}},
		{"spec.path", "tcp://192.0.2.2:4420"},
		{"spec.path", "tcp://[2001:db8::2]:4420 from 2001:db8::1%eth1"},
		disruptive,
		{"spec.reason", "Port 1 wurde repariert: Störung №4711 behoben 🔧"},
		{"spec.reason", strings.Repeat("ß", 256)},
		{"spec.pathSet", long(253)},
	}, []edit{
		{"spec", nil},
		{"spec.nodeName", nil},
		{"spec.nodeName", ""},
		{"spec.nodeName", long(254)},
		{"spec.pathSet", nil},
		{"spec.pathSet", ""},
		{"spec.pathSet", long(254)},
		{"spec.actions", nil},
		{"spec.actions", []any{}},
		{"spec.actions", []any{"Reboot"}},
		{"spec.actions", []any{"Rescan", "ResetCounters", "Rescan"}},
		{"spec.actions", list(9, "Rescan")},
		{"spec.actions", []any{"ResetController"}},
		{"spec.actions", []any{"Rescan", "KickConnection"}},
		{"spec.actions", []any{"Reconnect", "ResetCounters"}},
		{"spec.actions", []any{"Bench"}},
		{"spec.path", ""},
		{"spec.path", "192.0.2.2:4420"},
		{"spec.path", "tcp://192.0.2.2:4420,traddr=192.0.2.3"},
		{"spec.path", "tcp://192.0.2.2:4420\n"},
		{"spec.path", "tcp://" + long(251)},
		{"spec.policyName", ""},
		{"spec.policyName", long(254)},
		{"spec.reason", nil},
		{"spec.reason", ""},
		{"spec.reason", "   "},
		{"spec.reason", "two\nlines"},
		{"spec.reason", "two\u2028lines"},
		{"spec.reason", "a colour: \x1b[31m"},
		{"spec.reason", "written \u202ebackwards"},
		{"spec.reason", strings.Repeat("ß", 257)},
		{"spec.requestedBy", nil},
		{"spec.requestedBy", ""},
		{"spec.requestedBy", long(513)},
	})
	judge(t, "remediation-update.txt", live, false, []edit{
		{"spec.nodeName", "node-a"},
		{"metadata.labels", map[string]any{"ticket": "4711"}},
	}, []edit{
		{"spec.nodeName", "node-b"},
		{"spec.pathSet", "other"},
		{"spec.actions", []any{"Rescan"}},
		{"spec.reason", "other"},
		{"spec.requestedBy", "other"},
	})
}

func TestRemediationStatusValidation(t *testing.T) {
	object := newRemediation("validation", "node-a", "admin")
	object.Status = remediationStatus()
	object.Status.CompletionTime = nil // or nothing could be changed
	live := stored(t, object)
	step := func(field string, value any) edit {
		s := map[string]any{"action": "Rescan", "outcome": "Done"}
		s[field] = value
		return edit{"status.steps", []any{s}}
	}
	counter := func(field string, value any) edit {
		c := map[string]any{"of": "head", "counter": "requeues", "before": int64(1), "after": int64(0), "lifetime": int64(1)}
		c[field] = value
		return edit{"status.counters", []any{c}}
	}
	judge(t, "remediation-status.txt", live, false, []edit{
		{"status", nil},
		step("outcome", "Failed"),
		step("outcome", "Refused"),
		step("outcome", "Skipped"),
		step("reason", "LastUsablePath"),
		step("message", long(1024)),
		counter("before", int64(1)<<62),
	}, []edit{
		step("action", "Reboot"),
		step("outcome", "Perhaps"),
		step("message", long(1025)),
		step("reason", long(65)),
		step("reason", "the last usable path"),
		counter("of", long(257)),
		counter("counter", long(65)),
		counter("before", int64(-1)),
		counter("after", int64(-1)),
		counter("lifetime", int64(-1)),
		{"status.resetID", long(65)},
		{"status.startTime", "yesterday"},
	})
}

// TestRecordIsFinal: what a node has recorded it cannot record otherwise later.
func TestRecordIsFinal(t *testing.T) {
	object := newRemediation("final", "node-a", "admin")
	object.Status = remediationStatus()
	object.Status.CompletionTime = nil
	live := stored(t, object)
	// The last writer of a record that is not complete may change all of it.
	status := unstructuredOf(t, &v1alpha1.NVMePathRemediation{Status: remediationStatus()}).Object["status"]
	live.Object["status"] = status
	must(t, server.admin.Status().Update(t.Context(), live))
	judge(t, "remediation-final.txt", live, false, []edit{
		{"status", status},
		{"metadata.labels", map[string]any{"ticket": "4711"}},
	}, []edit{
		{"status", nil},
		{"status.completionTime", nil},
		{"status.completionTime", "2026-11-22T13:00:00Z"},
		{"status.counters", []any{}},
		{"status.counters", nil},
		{"status.conditions", []any{}},
	})
}
