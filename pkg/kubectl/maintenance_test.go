package kubectl

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// maintained is maintenance with one condition.
func maintained(name, condition string, is metav1.ConditionStatus, reason, message string) *v1alpha1.NVMePathMaintenance {
	m := &v1alpha1.NVMePathMaintenance{
		ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1},
		Spec: v1alpha1.NVMePathMaintenanceSpec{
			Address: "tcp://192.0.2.2:4420", Reason: "firmware, ticket 4711", RequestedBy: "alice", Duration: "2h",
			Ended: condition == v1alpha1.ConditionReturned,
		},
		Status: v1alpha1.NVMePathMaintenanceStatus{Paths: 3, DrainedPaths: 2, Until: before(-90 * time.Minute)},
	}
	said(m, condition, is, reason, message)
	return m
}

func said(m *v1alpha1.NVMePathMaintenance, condition string, is metav1.ConditionStatus, reason, message string) {
	if condition != "" {
		m.Status.Conditions = []metav1.Condition{{Type: condition, Status: is, Reason: reason, Message: message, ObservedGeneration: m.Generation}}
	}
}

// works are maintenances in every state.
func works(t *testing.T) *cluster {
	refused := maintained("b-refused", v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDrainRefused,
		"2 of 3 paths drained; refused for shop/orders on node-a: no other usable path: nvme0n1")
	refused.Spec.NodeNames = []string{"node-a", "node-b"}
	ending := maintained("c-ending", v1alpha1.ConditionDrained, metav1.ConditionTrue, v1alpha1.ReasonDrained, "3 of 3 paths drained")
	ending.Spec.Ended, ending.Generation = true, 2
	return newCluster(t,
		maintained("a-drained", v1alpha1.ConditionDrained, metav1.ConditionTrue, v1alpha1.ReasonDrained, "3 of 3 paths drained"),
		refused, ending,
		maintained("d-returning", v1alpha1.ConditionReturned, metav1.ConditionFalse, v1alpha1.ReasonReturning, "1 of 3 paths usable; not known to be back for infra/logs on node-b, and 1 more"),
		maintained("e-new", "", "", "", ""),
		maintained("f-returned", v1alpha1.ConditionReturned, metav1.ConditionTrue, v1alpha1.ReasonReturned, "3 of 3 paths usable"),
	)
}

func TestMaintenanceList(t *testing.T) {
	c := works(t)
	for args, file := range map[string]string{"maintenance": "maintenance.txt", "maintenance list": "maintenance.txt", "maintenance --all": "maintenance-all.txt"} {
		out, err := c.run(t, strings.Fields(args)...)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, file, out)
	}
	if out, err := newCluster(t).run(t, "maintenance"); err != nil || out != "No address is under maintenance.\n" {
		t.Errorf("none: %v, %q", err, out)
	}
	out, err := c.run(t, "maintenance", "-o", "json")
	var list v1alpha1.NVMePathMaintenanceList
	if err := errors.Join(err, json.Unmarshal([]byte(out), &list)); err != nil || list.Kind != "NVMePathMaintenanceList" || len(list.Items) != 5 || list.Items[0].Kind != "NVMePathMaintenance" {
		t.Errorf("as json: %v\n%s", err, out)
	}
}

// TestMaintenanceOfPaths: what is missing on purpose is said to be.
func TestMaintenanceOfPaths(t *testing.T) {
	set := newSet("shop", "orders", "node-a")
	const resting = "1 of 2 paths usable; tcp://192.0.2.2:4420 is under maintenance: firmware"
	condition(&set, v1alpha1.ConditionRedundant, metav1.ConditionFalse, v1alpha1.ReasonMaintenance, resting)
	set.Status.Summary, set.Status.UsablePaths = "1/2", 1
	one, two := &set.Status.Paths[0], &set.Status.Paths[1]
	one.Usable, one.Controller, one.ControllerState, one.ANAState = false, "", "", ""
	one.Maintenance = &v1alpha1.PathMaintenance{Name: "port-1", State: v1alpha1.MaintenanceDrained}
	two.Maintenance = &v1alpha1.PathMaintenance{State: v1alpha1.MaintenanceRefused, Message: "no other usable path: nvme0n1"}
	goldenPage(t, "maintenance-paths.txt", func(p *page) {
		p.status([]v1alpha1.NVMePathSet{set})
		p.line("%s", verdict(&set))
		p.paths(&set)
	})
}

func only(t *testing.T, c *cluster) *v1alpha1.NVMePathMaintenance {
	t.Helper()
	var all v1alpha1.NVMePathMaintenanceList
	if err := c.List(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Items) != 1 {
		t.Fatalf("%d maintenances, want 1", len(all.Items))
	}
	return &all.Items[0]
}

// TestMaintenanceStart waits for what the controller says.
func TestMaintenanceStart(t *testing.T) {
	const start = "maintenance start 192.0.2.2 --reason firmware --for 2h --timeout 10ms --node node-a"
	for name, tc := range map[string]struct {
		says func(*v1alpha1.NVMePathMaintenance)
		more string
		want string // of the error
	}{
		"drained": {says: func(m *v1alpha1.NVMePathMaintenance) {
			said(m, v1alpha1.ConditionDrained, metav1.ConditionTrue, v1alpha1.ReasonDrained, "1 of 1 paths drained")
		}},
		"not waited for": {more: " --wait=false"},
		"refused": {
			says: func(m *v1alpha1.NVMePathMaintenance) {
				m.Status.Paths, m.Status.RefusedPaths = 1, 1
				said(m, v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDrainRefused, "0 of 1 paths drained; refused for shop/orders on node-a: last")
			},
			want: `nvmepathmaintenance "NAME" stays requested, but tcp://192.0.2.2:4420 is not drained: 0 of 1 paths drained; refused for shop/orders on node-a: last; kubectl braid maintenance end NAME gives it up`,
		},
		"refused by one, others are not done": {
			says: func(m *v1alpha1.NVMePathMaintenance) {
				m.Status.Paths, m.Status.RefusedPaths = 2, 1
				said(m, v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDrainRefused, "0 of 2 paths drained")
			},
			want: `nvmepathmaintenance "NAME" stays requested, but tcp://192.0.2.2:4420 is not drained: not within 10ms: 0 of 2 paths drained`,
		},
		"no controller": {want: `nvmepathmaintenance "NAME" stays requested, but tcp://192.0.2.2:4420 is not drained: not within 10ms: nothing is known of it yet; is braid-controller running?`},
	} {
		t.Run(name, func(t *testing.T) {
			c := shop(t)
			c.says = tc.says
			out, err := c.run(t, strings.Fields(start+tc.more)...)
			m := only(t, c)
			want := v1alpha1.NVMePathMaintenanceSpec{
				Address: "tcp://192.0.2.2:4420", Reason: "firmware", Duration: "2h0m0s", NodeNames: []string{"node-a"}, RequestedBy: "alice",
			}
			if diff := cmp.Diff(want, m.Spec); diff != "" || !strings.HasPrefix(m.Name, "192.0.2.2-4420-") {
				t.Errorf("the request %s: -want +got\n%s", m.Name, diff)
			}
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), m.Name, "NAME")
			}
			if got != tc.want {
				t.Errorf("error %q, want %q", got, tc.want)
			}
			if err == nil && !strings.Contains(out, m.Name) {
				t.Errorf("it is not printed:\n%s", out)
			}
		})
	}
}

func TestMaintenanceEnd(t *testing.T) {
	c := works(t)
	c.says = func(m *v1alpha1.NVMePathMaintenance) {
		if m.Spec.Ended {
			said(m, v1alpha1.ConditionReturned, metav1.ConditionTrue, v1alpha1.ReasonReturned, "3 of 3 paths usable")
		}
	}
	state := func() string {
		var all v1alpha1.NVMePathMaintenanceList
		if err := c.List(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		open := ""
		for _, m := range all.Items {
			if !m.Spec.Ended {
				open += " " + m.Name
			}
		}
		return open
	}
	for _, step := range []struct{ argument, printed, open string }{
		{"e-new", "e-new", " a-drained b-refused"},
		{"tcp://192.0.2.2", "a-drained b-refused c-ending d-returning e-new", ""},
		{"f-returned", "f-returned", ""},
	} {
		out, err := c.run(t, "maintenance", "end", step.argument)
		if err != nil {
			t.Fatalf("end %s: %v", step.argument, err)
		}
		var printed []string
		for _, line := range strings.Split(strings.TrimSpace(out), "\n")[1:] {
			printed = append(printed, strings.Fields(line)[0])
		}
		if got := strings.Join(printed, " "); got != step.printed || state() != step.open {
			t.Errorf("end %s: printed %q, want %q; open:%s, want%s", step.argument, got, step.printed, state(), step.open)
		}
	}
	c.says = nil
	want := `nvmepathmaintenance "d-returning" is ended, but not all paths to tcp://192.0.2.2:4420 are back: not within 10ms: 1 of 3 paths usable; not known to be back for infra/logs on node-b, and 1 more`
	if out, err := c.run(t, "maintenance", "end", "d-returning", "--timeout", "10ms"); err == nil || err.Error() != want {
		t.Errorf("not back: error %v, want %s\n%s", err, want, out)
	}
}

func TestMaintenanceBadInput(t *testing.T) {
	c := shop(t)
	for _, tc := range []struct{ args, want string }{
		{"maintenance now", `unknown command "now" for "kubectl braid maintenance"`},
		{"maintenance start --reason x", "want one argument, the target's ADDRESS[:PORT], not 0"},
		{"maintenance start 192.0.2.2", `required flag(s) "reason" not set`},
		{"maintenance start port-1 --reason x", `argument "port-1": want the target's ADDRESS[:PORT]`},
		{"maintenance start 192.0.2.3 --reason x", "no path of any volume leads to tcp://192.0.2.3:4420; paths lead to tcp://192.0.2.18:4420, tcp://192.0.2.2:4420"},
		{"maintenance start 192.0.2.2 --reason x --node node-z", `--node: no path leads from "node-z" to tcp://192.0.2.2:4420; paths lead there from node-a, node-b`},
		{"maintenance start 192.0.2.2 --reason x --timeout 0s", "--timeout: 0s is no time to wait"},
		{"maintenance start 192.0.2.2 --reason x --for long", `"long"`},
		{"maintenance end", "want one argument, the maintenance's NAME or ADDRESS, not 0"},
		{"maintenance end port-1", `nvmepathmaintenance "port-1" not found`},
		{"maintenance end 192.0.2.2", "tcp://192.0.2.2:4420 is not under maintenance that the cluster knows of"},
		{"maintenance end port-1 --timeout -1s", "--timeout: -1s"},
	} {
		if out, err := c.run(t, strings.Fields(tc.args)...); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("kubectl braid %s: error %v, want one with %q; it printed %s", tc.args, err, tc.want, out)
		}
	}
	var all v1alpha1.NVMePathMaintenanceList
	if err := c.List(t.Context(), &all); err != nil || len(all.Items) > 0 {
		t.Errorf("bad input made %d maintenances, %v", len(all.Items), err)
	}
}

func TestNameFor(t *testing.T) {
	for address, want := range map[string]string{
		"tcp://192.0.2.2:4420":      "192.0.2.2-4420",
		"tcp://[2001:db8::2]:4420":  "2001-db8--2--4420",
		"tcp://[::1]:4420":          "1--4420",
		"tcp://[fe80::1%eth0]:4420": "fe80--1-eth0--4420",
	} {
		if got := nameFor(address); got != want {
			t.Errorf("nameFor(%s) = %s, want %s", address, got, want)
		}
	}
}
