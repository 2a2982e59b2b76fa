package kubectl

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// shop is a cluster with a volume on one node, one on two, one that is in
// another namespace, one without a claim, and a claim of something else.
func shop(t *testing.T) *cluster {
	orders, logs, spare := cut(newSet("shop", "orders", "node-a"), 13), newSet("infra", "logs", "node-b"), newSet("", "spare", "node-b")
	a, b := newSet("shop", "both", "node-a"), newSet("shop", "both", "node-b")
	b.Name = "both-9876543210"
	other := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "other"}}
	return newCluster(t, &orders, &logs, &spare, &a, &b, other)
}

func TestBadInput(t *testing.T) {
	c := shop(t)
	for _, tc := range []struct{ args, want string }{
		{"frobnicate", `unknown command "frobnicate" for "kubectl braid"`},
		{"status extra", `unknown command "extra" for "kubectl braid status"`},
		{"status -o wide", `"wide"`},
		{"paths", "want one argument, the PersistentVolumeClaim, not 0"},
		{"paths a b", "want one argument, the PersistentVolumeClaim, not 2"},
		{"paths pod/x", `argument "pod/x"`},
		{"paths none -n shop", `persistentvolumeclaim "none" in namespace "shop": `},
		{"paths other -n shop", `persistentvolumeclaim "other" in namespace "shop": no node reports paths of it`},
		{"paths orders", `persistentvolumeclaim "orders" in namespace "default": `},
		{"paths pathset/none", `nvmepathset "none": no node reports paths of it`},
		{"paths pathset/spare-0123456789 --node node-a", `nvmepathset "spare-0123456789": node "node-a" reports no paths of it`},
		{"describe none", `persistentvolumeclaim "none"`},
		{"top --interval 10ms", "--interval: 10ms is less than 1s"},
		{"reset orders -n shop", `required flag(s) "reason" not set`},
		{"reset both -n shop --reason x", "say with --node which of node-a, node-b"},
		{"reset orders -n shop --reason x --timeout -1s", "--timeout: -1s"},
		{"reset orders -n shop --reason x -o table", `"table"`},
		{"remediate orders -n shop --reason x", `required flag(s) "action" not set`},
		{"remediate orders -n shop --reason x --action Rescan,Pray", `--action: "Pray" is none of Rescan, ResetCounters`},
	} {
		if out, err := c.run(t, strings.Fields(tc.args)...); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("kubectl braid %s: error %v, want one with %q; it printed %s", tc.args, err, tc.want, out)
		}
	}
	var all v1alpha1.NVMePathRemediationList
	if err := c.List(t.Context(), &all); err != nil || len(all.Items) > 0 {
		t.Errorf("bad input made %d remediations, %v", len(all.Items), err)
	}
}

// TestSelection: what is not asked for is not shown.
func TestSelection(t *testing.T) {
	c := shop(t)
	for args, want := range map[string][]string{
		"status":                         {"orders", "both", "both", "logs", "pathset/spare-0123456789"},
		"status -n shop":                 {"orders", "both", "both"},
		"status -n shop -A":              {"orders", "both", "both", "logs", "pathset/spare-0123456789"},
		"status -n shop --node node-b":   {"both"},
		"status --node node-b":           {"both", "logs", "pathset/spare-0123456789"},
		"status --namespace nowhere":     nil,
		"paths both -n shop":             {"shop/both", "shop/both"},
		"paths pvc/both -n shop":         {"shop/both", "shop/both"},
		"paths pathset/spare-0123456789": {"pathset/spare-0123456789"},
	} {
		out, err := c.run(t, strings.Fields(args)...)
		if err != nil {
			t.Errorf("%s: %v", args, err)
			continue
		}
		var got []string
		for _, word := range strings.Fields(out) {
			if _, name := word, strings.TrimPrefix(word, "shop/"); slices.Contains([]string{"orders", "both", "logs", "pathset/spare-0123456789"}, name) {
				got = append(got, word)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s\n%s", args, diff, out)
		}
	}
}

// TestFormats: what is printed for programs is what the API has.
func TestFormats(t *testing.T) {
	c := shop(t)
	for format, unmarshal := range map[string]func([]byte, any) error{
		"json": json.Unmarshal,
		"yaml": func(b []byte, into any) error { return yaml.Unmarshal(b, into) },
	} {
		out, err := c.run(t, "paths", "orders", "-n", "shop", "-o", format)
		if err != nil {
			t.Fatal(err)
		}
		var list v1alpha1.NVMePathSetList
		if err := unmarshal([]byte(out), &list); err != nil {
			t.Fatalf("%s: %v\n%s", format, err, out)
		}
		if list.Kind != "NVMePathSetList" || len(list.Items) != 1 || list.Items[0].Kind != "NVMePathSet" || list.Items[0].Status.Summary != "1/2" {
			t.Errorf("%s:\n%s", format, out)
		}
	}
	if out, err := c.run(t, "status", "-n", "nowhere", "-o", "json"); err != nil || !strings.Contains(out, `"items": []`) {
		t.Errorf("no volume as json: %v\n%s", err, out)
	}
}

func TestReset(t *testing.T) {
	c := shop(t)
	reads := 0
	c.hook = func(r *v1alpha1.NVMePathRemediation) {
		if reads++; reads == 3 {
			r.Status = done()
		}
	}
	out, err := c.run(t, "reset", "orders", "-n", "shop", "--reason", "port 1 repaired, ticket 4711")
	if err != nil {
		t.Fatal(err)
	}
	r := onlyRemediation(t, c)
	want := v1alpha1.NVMePathRemediationSpec{
		NodeName: "node-a", PathSet: "orders-0123456789", Actions: []v1alpha1.RemediationAction{v1alpha1.ActionResetCounters},
		Reason: "port 1 repaired, ticket 4711", RequestedBy: "alice",
	}
	if diff := cmp.Diff(want, r.Spec); diff != "" || !strings.HasPrefix(r.Name, "orders-0123456789-") {
		t.Errorf("the request %s: -want +got\n%s", r.Name, diff)
	}
	golden(t, "reset.txt", strings.ReplaceAll(out, r.Name, "NAME"))
	if reads != 3 {
		t.Errorf("it was read %d times, want 3: it was over then", reads)
	}
}

func TestRemediateFails(t *testing.T) {
	c := shop(t)
	c.hook = func(r *v1alpha1.NVMePathRemediation) { r.Status = failed() }
	out, err := c.run(t, "remediate", "both", "-n", "shop", "--node", "node-b", "--action", "rescan,ResetCounters", "--reason", "grown")
	r := onlyRemediation(t, c)
	if want := `nvmepathremediation "` + r.Name + `": ActionFailed: Rescan: input/output error`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if !strings.Contains(out, "input/output error") || !strings.Contains(out, "Skipped") {
		t.Errorf("the record is not printed:\n%s", out)
	}
	if diff := cmp.Diff(actions, r.Spec.Actions); diff != "" || r.Spec.PathSet != "both-9876543210" || r.Spec.NodeName != "node-b" {
		t.Errorf("the request is of %s on %s: %s", r.Spec.PathSet, r.Spec.NodeName, diff)
	}
}

func TestRemediateWaits(t *testing.T) {
	c := shop(t)
	_, err := c.run(t, "reset", "orders", "-n", "shop", "--reason", "x", "--timeout", "1ms")
	if err == nil || !strings.Contains(err.Error(), `of node "node-a" stays requested`) || !strings.Contains(err.Error(), "no end within 1ms") {
		t.Errorf("nobody carries it out: %v", err)
	}
	c.hook = func(*v1alpha1.NVMePathRemediation) { t.Error("it is waited for") }
	out, err := c.run(t, "reset", "both", "-n", "shop", "--node", "node-a", "--reason", "x", "--wait=false", "-o", "json")
	var r v1alpha1.NVMePathRemediation
	if err := errors.Join(err, json.Unmarshal([]byte(out), &r)); err != nil || r.Kind != "NVMePathRemediation" || r.Spec.PathSet != "both-0123456789" {
		t.Errorf("without waiting: %v\n%s", err, out)
	}
}

func onlyRemediation(t *testing.T, c *cluster) *v1alpha1.NVMePathRemediation {
	t.Helper()
	var all v1alpha1.NVMePathRemediationList
	if err := c.List(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Items) != 1 {
		t.Fatalf("%d remediations, want 1", len(all.Items))
	}
	return &all.Items[0]
}

// TestDescribe: remediations and events are those of the path set, and no
// others.
func TestDescribe(t *testing.T) {
	c := shop(t)
	for _, pathSet := range []string{"orders-0123456789", "logs-0123456789"} {
		r := record("record-of-" + pathSet)
		r.Spec.PathSet = pathSet
		event := &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: pathSet}, Message: "event-of-" + pathSet,
			InvolvedObject: corev1.ObjectReference{UID: "node-a/orders-0123456789"},
		}
		if pathSet != "orders-0123456789" {
			event.InvolvedObject.UID = "node-b/logs-0123456789"
		}
		for _, o := range []client.Object{r, event} {
			if err := c.Create(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
	}
	out, err := c.run(t, "describe", "orders", "-n", "shop")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{
		"record-of-orders-0123456789": 1, "event-of-orders-0123456789": 1, "record-of-logs-0123456789": 0, "event-of-logs-0123456789": 0,
	} {
		if got := strings.Count(out, text); got != want {
			t.Errorf("%s is there %d times, want %d:\n%s", text, got, want, out)
		}
	}
}

func TestCompletion(t *testing.T) {
	c := shop(t)
	if err := c.Create(t.Context(), maintained("port-1", "", "", "", "")); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string][]string{
		"paths --namespace shop ":       {"both", "orders", "pathset/spare-0123456789"},
		"describe --namespace infra ":   {"logs", "pathset/spare-0123456789"},
		"paths both --namespace shop ":  nil,
		"status --namespace ":           {"infra", "shop"},
		"status --node ":                {"node-a", "node-b"},
		"remediate orders --action ":    {"Rescan", "ResetCounters"},
		"status --output ":              {"json", "yaml", "kyaml"},
		"maintenance start --reason x ": {"tcp://192.0.2.18:4420", "tcp://192.0.2.2:4420"},
		"maintenance start x --node ":   {"node-a", "node-b"},
		"maintenance end ":              {"port-1", "tcp://192.0.2.2:4420"},
	} {
		words := append([]string{"__complete"}, strings.Split(args, " ")...)
		out, err := c.run(t, words...)
		if err != nil {
			t.Errorf("%q: %v", args, err)
			continue
		}
		var got []string
		for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
			if !strings.HasPrefix(line, ":") {
				got = append(got, line)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: -want +got\n%s", args, diff)
		}
	}
}
