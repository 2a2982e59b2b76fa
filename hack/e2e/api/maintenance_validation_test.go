package api

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

func TestMaintenanceValidation(t *testing.T) {
	object := newMaintenance("validation", "admin")
	object.Spec.NodeNames = []string{"node-a", "node-b"}
	live := stored(t, object)
	address := func(a string) edit { return edit{"spec.address", a} }
	lasts := func(d string) edit { return edit{"spec.duration", d} }
	judge(t, "maintenance-create.txt", live, true, []edit{
		address("tcp://[2001:db8::2]:4420"),
		address("tcp://[::1]:1"),
		address("tcp://192.0.2.2:65535"),
		lasts("1m"),
		lasts("1h30m"),
		lasts("168h"),
		{"spec.nodeNames", nil},
		{"spec.ended", true},
		{"spec.ended", nil},
	}, []edit{
		{"spec", nil},
		{"spec.address", nil},
		address(""),
		address("192.0.2.2:4420"),
		address("tcp://192.0.2.2"),
		address("tcp://192.0.2.2:0"),
		address("tcp://192.0.2.2:65536"),
		address("tcp://192.0.2.256:4420"),
		address("tcp://192.0.2.02:4420"),
		address("tcp://2001:db8::2:4420"),
		address("tcp://[2001:DB8::2]:4420"),
		address("tcp://[2001:db8:0:0::2]:4420"),
		address("tcp://[::ffff:192.0.2.2]:4420"),
		address("tcp://[192.0.2.2]:4420"),
		address("tcp://192.0.2.2:4420x"),
		address("tcp://port-1:4420"),
		address("rdma://192.0.2.2:4420"),
		address("tcp://192.0.2.2:4420 from 192.0.2.9"),
		address("tcp://" + long(60)),
		{"spec.reason", nil},
		{"spec.reason", " "},
		{"spec.reason", "two\nlines"},
		{"spec.reason", long(257)},
		{"spec.duration", nil},
		lasts("59s"),
		lasts("168h1s"),
		lasts("forever"),
		lasts("-1h"),
		{"spec.nodeNames", []any{}},
		{"spec.nodeNames", []any{""}},
		{"spec.requestedBy", nil},
	})
	judge(t, "maintenance-update.txt", live, false, []edit{
		{"spec.ended", true},
	}, []edit{
		address("tcp://192.0.2.3:4420"),
		{"spec.reason", "another"},
		lasts("3h"),
		{"spec.nodeNames", nil},
		{"spec.nodeNames", []any{"node-a"}},
		{"spec.requestedBy", "alice"},
	})
	must(t, unstructured.SetNestedField(live.Object, true, "spec", "ended"))
	must(t, server.admin.Update(t.Context(), live))
	judge(t, "maintenance-ended.txt", live, false, nil, []edit{{"spec.ended", false}, {"spec.ended", nil}})
}

func TestPathMaintenanceValidation(t *testing.T) {
	object := newPathSet("maintained", "node-a")
	object.Status = pathSetStatus()
	object.Status.Paths[0].Maintenance = &v1alpha1.PathMaintenance{State: v1alpha1.MaintenanceDrained}
	live := stored(t, object)
	said := func(m map[string]any) edit {
		return edit{"status.paths", []any{map[string]any{"address": "tcp://192.0.2.2:4420", "expected": true, "usable": false, "maintenance": m}}}
	}
	judge(t, "path-maintenance.txt", live, false, []edit{
		said(map[string]any{"state": "Refused", "name": "port-1", "message": long(1024)}),
	}, []edit{
		said(map[string]any{"name": "port-1"}),
		said(map[string]any{"state": "Gone"}),
		said(map[string]any{"state": "Drained", "name": long(254)}),
	})
}
