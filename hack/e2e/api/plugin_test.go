package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// plugin runs kubectl with the plugin on its path, and returns what it printed.
func plugin(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := withPlugin(t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// withPlugin is kubectl as users have it who have installed the plugin.
func withPlugin(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := filepath.Abs("../../../bin/kubectl-braid")
	must(t, err)
	path := t.TempDir()
	for _, name := range []string{"kubectl-braid", "kubectl_complete-braid"} {
		must(t, os.Symlink(binary, filepath.Join(path, name)))
	}
	env := server.Env()
	i := slices.IndexFunc(env, func(v string) bool { return strings.HasPrefix(v, "PATH=") })
	programs, _, _ := strings.Cut(strings.TrimPrefix(env[i], "PATH="), ":")
	env[i] = "PATH=" + path + ":" + strings.TrimPrefix(env[i], "PATH=")

	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "kubectl"), args...)
	cmd.Env = env
	return cmd
}

// shelf makes two path sets: one that has lost a path, and one that is well.
func shelf(t *testing.T) (degraded, healthy *v1alpha1.NVMePathSet) {
	t.Helper()
	degraded, healthy = newPathSet("shelf1-db-5ebcfa1f02", "worker-1"), newPathSet("shelf1-logs-c01e37b0aa", "worker-2")
	degraded.Status = pathSetStatus()
	healthy.Spec.ClaimRef.Namespace, healthy.Spec.ClaimRef.Name = "infra", "archive"
	healthy.Status = v1alpha1.NVMePathSetStatus{Summary: "2/2", UsablePaths: 2, ExpectedPaths: 2, Conditions: []metav1.Condition{{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonHealthy, LastTransitionTime: noon,
	}}}
	stored(t, healthy)
	stored(t, degraded)
	return degraded, healthy
}

func TestPluginStatus(t *testing.T) {
	shelf(t)
	out, err := plugin(t, "braid", "status")
	must(t, err)
	lines := strings.Split(out, "\n")
	for i, want := range []string{"2 path sets on 2 nodes: 1 not redundant, 1 healthy", "NAMESPACE", "shop", "infra"} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %d does not begin with %q:\n%s", i+1, want, out)
		}
	}
	if out, err := plugin(t, "braid", "status", "-n", "infra"); err != nil || strings.Contains(out, "shop") || !strings.Contains(out, "archive") {
		t.Errorf("of one namespace: %v\n%s", err, out)
	}
	out, err = plugin(t, "braid", "status", "-o", "json")
	must(t, err)
	var list v1alpha1.NVMePathSetList
	must(t, json.Unmarshal([]byte(out), &list))
	if len(list.Items) != 2 || list.Items[0].Name != "shelf1-db-5ebcfa1f02" || list.Items[0].Status.Paths[0].Failovers.SinceReset != 32 {
		t.Errorf("as json:\n%s", out)
	}
}

// TestPluginDescribe: by the API server's own selection of remediations and
// events; who may not see events is told so, and the rest.
func TestPluginDescribe(t *testing.T) {
	degraded, healthy := shelf(t)
	for _, set := range []*v1alpha1.NVMePathSet{degraded, healthy} {
		r := newRemediation("for-"+set.Name, set.Spec.NodeName, "admin")
		r.Spec.PathSet = set.Name
		created(t, r, &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Namespace: "default", Name: "of-" + set.Name},
			InvolvedObject: corev1.ObjectReference{Kind: "NVMePathSet", Name: set.Name, UID: set.UID},
			Type:           "Warning", Reason: "PathRedundancyLost", Message: "told of " + set.Name, LastTimestamp: noon,
		})
	}
	out, err := plugin(t, "braid", "describe", "data-db-0", "-n", "shop")
	must(t, err)
	for text, want := range map[string]bool{
		"for-" + degraded.Name: true, "told of " + degraded.Name: true, "for-" + healthy.Name: false, "told of " + healthy.Name: false,
		"by alice: port 1 repaired, ticket 4711": true, "tcp://192.0.2.2:4420 cannot be connected: connection refused": true,
	} {
		if strings.Contains(out, text) != want {
			t.Errorf("%q is there: %t, want %t:\n%s", text, !want, want, out)
		}
	}
	viewer(t, "alice")
	if out, err := plugin(t, "braid", "describe", "data-db-0", "-n", "shop", "--as", "alice"); err != nil || !strings.Contains(out, "Events: events is forbidden") {
		t.Errorf("to who may not see events: %v\n%s", err, out)
	}
}

func viewer(t *testing.T, user string) {
	t.Helper()
	grant(t, "braid-viewer", rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user})
	mayNow(t, impersonated(t, user), "list", "nvmepathremediations")
}

// TestPluginMaintenance plays the controller, for who has the chart's role and for
// who may only look.
func TestPluginMaintenance(t *testing.T) {
	enforced(t)
	shelf(t)
	viewer(t, "alice")
	start := []string{"braid", "maintenance", "start", "192.0.2.2", "--reason", "firmware", "--for", "2h", "--wait=false", "--as", "alice", "-o", "json"}
	if out, err := plugin(t, start...); err == nil || !strings.Contains(err.Error(), `User "alice" cannot create resource "nvmepathmaintenances"`) {
		t.Errorf("who may only look may start maintenance: %v\n%s", err, out)
	}
	grant(t, "braid-maintainer", rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "alice"})
	mayNow(t, impersonated(t, "alice"), "create", "nvmepathmaintenances")
	out, err := plugin(t, start...)
	must(t, err)
	var list v1alpha1.NVMePathMaintenanceList
	must(t, json.Unmarshal([]byte(out), &list))
	m := &list.Items[0]
	t.Cleanup(func() { gone(t, m) })
	if m.Spec.Address != "tcp://192.0.2.2:4420" || m.Spec.RequestedBy != "alice" || m.Spec.Ended {
		t.Errorf("the request is %+v", m.Spec)
	}
	if out, err := plugin(t, "braid", "maintenance", "--as", "alice"); err != nil || !strings.Contains(out, m.Name+"   tcp://192.0.2.2:4420   Requested") {
		t.Errorf("it is not shown: %v\n%s", err, out)
	}
	m.Status = maintenanceStatus(v1alpha1.ConditionReturned, metav1.ConditionTrue, v1alpha1.ReasonReturned)
	must(t, server.admin.Status().Update(t.Context(), m))
	if out, err := plugin(t, "braid", "maintenance", "end", m.Name, "--as", "alice"); err != nil || !strings.Contains(out, "Returned") {
		t.Errorf("it does not end: %v\n%s", err, out)
	}
	must(t, server.admin.Get(t.Context(), client.ObjectKeyFromObject(m), m))
	if !m.Spec.Ended {
		t.Error("ended has not become true")
	}
}

// TestPluginReset plays the node: the plugin asks in the user's own name, waits
// for the record, and prints it. The chart's role is all that the user has.
func TestPluginReset(t *testing.T) {
	enforced(t)
	degraded, _ := shelf(t)
	viewer(t, "alice")
	const why = "port 1 repaired, ticket 4711"
	reset := []string{"braid", "reset", "data-db-0", "-n", "shop", "--reason", why, "--as", "alice"}
	if out, err := plugin(t, reset...); err == nil || !strings.Contains(err.Error(), `User "alice" cannot create resource "nvmepathremediations"`) {
		t.Errorf("who may only look may reset: %v\n%s", err, out)
	}
	grant(t, remediator, rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "alice"})
	mayNow(t, impersonated(t, "alice"), "create", "nvmepathremediations")

	node := make(chan error, 1)
	go func() { node <- carryOut(t.Context(), degraded.Name) }()
	out, err := plugin(t, reset...)
	must(t, errors.Join(err, <-node))
	r := requestOf(t, degraded.Name)
	if r.Spec.RequestedBy != "alice" || r.Spec.Reason != why || r.Spec.NodeName != "worker-1" || len(r.Spec.Actions) != 1 || r.Spec.Actions[0] != v1alpha1.ActionResetCounters {
		t.Errorf("the request: %+v", r.Spec)
	}
	for _, want := range []string{r.Name, "alice", why, "Done", "failovers", "32"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in what it printed:\n%s", want, out)
		}
	}
}

// carryOut writes the record of the first remediation of a path set.
func carryOut(ctx context.Context, pathSet string) error {
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	return poll.Every(ctx, 50*time.Millisecond, "remediation of "+pathSet, func() (bool, error) {
		var all v1alpha1.NVMePathRemediationList
		err := server.admin.List(ctx, &all, client.MatchingFields{"spec.pathSet": pathSet})
		if err != nil || len(all.Items) == 0 {
			return false, err
		}
		all.Items[0].Status = remediationStatus()
		return true, server.admin.Status().Update(ctx, &all.Items[0])
	})
}

// requestOf returns the one remediation of a path set, which goes when the
// test ends.
func requestOf(t *testing.T, pathSet string) *v1alpha1.NVMePathRemediation {
	t.Helper()
	var all v1alpha1.NVMePathRemediationList
	must(t, server.admin.List(t.Context(), &all, client.MatchingFields{"spec.pathSet": pathSet}))
	if len(all.Items) != 1 {
		t.Fatalf("%d remediations of %s, want 1", len(all.Items), pathSet)
	}
	t.Cleanup(func() { gone(t, &all.Items[0]) })
	return &all.Items[0]
}

// TestPluginTop: what fails over while it runs is new, and it ends well when it
// is interrupted.
func TestPluginTop(t *testing.T) {
	degraded, _ := shelf(t)
	top := withPlugin(t, "braid", "top", "--interval", "1s")
	out, err := top.StdoutPipe()
	must(t, err)
	must(t, top.Start())
	lines := bufio.NewScanner(out)
	showsUp := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("it has ended, and %q never came", want)
	}
	showsUp("0 failovers in ")
	must(t, server.admin.Get(t.Context(), client.ObjectKeyFromObject(degraded), degraded))
	degraded.Status.Paths[0].Failovers = &v1alpha1.Count{SinceReset: 37, Lifetime: 69}
	must(t, server.admin.Status().Update(t.Context(), degraded))
	showsUp("5 failovers in ")
	must(t, top.Process.Signal(os.Interrupt))
	must(t, errors.Join(lines.Err(), top.Wait()))
}

// TestPluginRefused: what the API server refuses is said in its words.
func TestPluginRefused(t *testing.T) {
	shelf(t)
	for want, args := range map[string][]string{
		"must be one line of printable characters":  {"reset", "data-db-0", "-n", "shop", "--reason", "two\nlines"},
		`persistentvolumeclaims "none" not found`:   {"reset", "none", "-n", "shop", "--reason", "x"},
		`context "nowhere" does not exist`:          {"status", "--context", "nowhere"},
		`is not known to be over: no end within 1s`: {"reset", "data-db-0", "-n", "shop", "--reason", "x", "--timeout", "1s"},
	} {
		if out, err := plugin(t, append([]string{"braid"}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("kubectl braid %q: %v, want %q; it printed %s", args, err, want, out)
		}
	}
	requestOf(t, "shelf1-db-5ebcfa1f02") // that which nobody carried out
}

// TestPluginCompletion: kubectl hands the command line to the plugin.
func TestPluginCompletion(t *testing.T) {
	shelf(t)
	for want, args := range map[string][]string{
		"data-db-0":     {"paths", "-n", "shop", ""},
		"archive":       {"reset", "--namespace", "infra", ""},
		"worker-2":      {"status", "--node", ""},
		"ResetCounters": {"remediate", "data-db-0", "--action", ""},
		"describe":      {""},
	} {
		out, err := plugin(t, append([]string{"__complete", "braid"}, args...)...)
		if err != nil || !slices.ContainsFunc(strings.Fields(out), func(word string) bool { return word == want }) {
			t.Errorf("completing kubectl braid %q: %v, want %s\n%s", args, err, want, out)
		}
	}
}
