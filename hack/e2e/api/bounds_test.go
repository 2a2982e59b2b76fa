package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// schema is what the tests know of an OpenAPI v3 schema.
type schema struct {
	Description string
	Type        string
	Format      string
	Enum        []any
	MaxLength   *int
	MaxItems    *int
	Minimum     *int64
	Maximum     *int64
	Items       *schema
	Properties  map[string]*schema
	// MaxProperties bounds a map, whose values are AdditionalProperties.
	MaxProperties        *int
	AdditionalProperties *schema
}

// schemas are those of the chart's definitions, by kind.
func schemas(t *testing.T) map[string]*schema {
	t.Helper()
	all := map[string]*schema{}
	for _, o := range ofKind(t, "CustomResourceDefinition", 4) {
		b, err := o.MarshalJSON()
		must(t, err)
		var definition struct {
			Spec struct {
				Names    struct{ Kind string }
				Versions []struct {
					Schema struct{ OpenAPIV3Schema *schema }
				}
			}
		}
		must(t, json.Unmarshal(b, &definition))
		all[definition.Spec.Names.Kind] = definition.Spec.Versions[0].Schema.OpenAPIV3Schema
	}
	return all
}

// TestEveryFieldIsBounded: what nodes report comes from targets, and no target
// may fill etcd. And what a field means kubectl explain can say.
func TestEveryFieldIsBounded(t *testing.T) {
	var walk func(path string, s *schema)
	walk = func(path string, s *schema) {
		if s.Description == "" && !strings.HasSuffix(path, "metadata") && !strings.HasSuffix(path, "[]") {
			t.Errorf("%s has no description", path)
		}
		switch s.Type {
		case "string":
			if s.MaxLength == nil && s.Enum == nil && s.Format != "date-time" {
				t.Errorf("%s may be a text of any length", path)
			}
		case "integer":
			if s.Minimum == nil {
				t.Errorf("%s may be negative", path)
			}
		case "array":
			if s.MaxItems == nil {
				t.Errorf("%s may have any number of items", path)
			}
			walk(path+"[]", s.Items)
		case "object":
			for name, p := range s.Properties {
				walk(path+"."+name, p)
			}
			if s.AdditionalProperties != nil {
				if s.MaxProperties == nil {
					t.Errorf("%s may have any number of keys", path)
				}
				walk(path+"[]", s.AdditionalProperties)
			}
		case "boolean":
		default:
			t.Errorf("%s is of type %q", path, s.Type)
		}
	}
	for kind, s := range schemas(t) {
		for _, part := range []string{"spec", "status"} {
			if p := s.Properties[part]; p != nil { // a policy has no status
				walk(kind+"."+part, p)
			}
		}
	}
}

// fixed are values of fields for which a rule asks more than their bounds.
var fixed = map[string]any{
	"spec.subsystemNQN":          "nqn.2026-11.com.example:" + long(199),
	"spec.namespaceID.type":      "uuid",
	"spec.namespaceID.value":     "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190807",
	"spec.addresses[]":           "tcp://" + long(250),
	"spec.actions":               []any{"Rescan", "ResetController", "KickConnection", "Reconnect", "Bench", "ResetCounters"},
	"spec.path":                  "tcp://" + long(250),
	"spec.requestedBy":           "admin",
	"spec.nodeName":              "node-a",
	"status.conditions[].type":   "", // made different
	"status.conditions[].reason": long(1024),
	"status.steps[].reason":      long(64),

	"spec.selector.storageClassNames":      different(64),
	"spec.selector.persistentVolumeNames":  different(64),
	"spec.selector.nodeNames":              different(256),
	"spec.selector.volumeLabels":           map[string]any{"example.com/tier": long(63)},
	"spec.suspension.addresses":            []any{"tcp://" + long(250)},
	"spec.health.raiseAfter":               "10m",
	"spec.health.clearAfter":               "1h",
	"spec.health.connectGrace":             "10m",
	"spec.health.flapping.window":          "24h",
	"spec.health.unstable.window":          "24h",
	"spec.remediation.steps":               []any{"Rescan", "ResetController", "KickConnection", "Reconnect", "Bench", "ResetCounters"},
	"spec.remediation.stabilizationWindow": "24h",
	"spec.remediation.benchTime":           "24h",
	"spec.remediation.backOff.initial":     "1h",
	"spec.remediation.backOff.max":         "24h",
	"spec.remediation.attempts.window":     "24h",
	"spec.remediation.records.ttl":         "8760h",

	"spec.address":   "tcp://[2001:db8:1111:2222:3333:4444:5555:6666]:65535",
	"spec.duration":  "168h",
	"spec.nodeNames": different(256),
}

// different are n names as long as names may be, no two the same.
func different(n int) []any {
	all := make([]any, n)
	for i := range all {
		all[i] = fmt.Sprintf("%0253d", i)
	}
	return all
}

// largest is the largest value that a schema allows.
func largest(path string, s *schema) any {
	if v, ok := fixed[path]; ok {
		return v
	}
	switch {
	case s.Enum != nil:
		return s.Enum[len(s.Enum)-1]
	case s.Format == "date-time":
		return "2026-11-22T12:00:00Z"
	}
	switch s.Type {
	case "string":
		return long(*s.MaxLength)
	case "integer":
		if s.Maximum != nil {
			return *s.Maximum
		}
		if s.Format == "int32" {
			return int64(1<<31 - 1)
		}
		return int64(1<<63 - 1)
	case "boolean":
		return true
	case "array":
		items := make([]any, *s.MaxItems)
		for i := range items {
			items[i] = largest(path+"[]", s.Items)
			if m, ok := items[i].(map[string]any); ok && m["type"] == "" {
				m["type"] = fmt.Sprintf("Condition%d", i)
			}
		}
		return items
	}
	all := map[string]any{}
	for name, p := range s.Properties {
		all[name] = largest(path+"."+name, p)
	}
	return all
}

// TestLargestObjects stores objects with every field at its bound, and reads
// them back: nothing is refused, pruned or unknown to the Go types.
func TestLargestObjects(t *testing.T) {
	for kind, o := range map[string]client.Object{
		"NVMePathSet": &v1alpha1.NVMePathSet{}, "NVMePathRemediation": &v1alpha1.NVMePathRemediation{},
		"NVMePathPolicy": &v1alpha1.NVMePathPolicy{},
	} {
		t.Run(kind, func(t *testing.T) {
			s := schemas(t)[kind]
			want := map[string]any{"spec": largest("spec", s.Properties["spec"])}
			if p := s.Properties["status"]; p != nil {
				want["status"] = largest("status", p)
			}
			must(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(want, o, true))
			if path := firstZero(reflect.ValueOf(o).Elem(), kind); path != "" {
				t.Errorf("the definition lacks %s", path)
			}
			if r, ok := o.(*v1alpha1.NVMePathRemediation); ok { // an administrator asks in no policy's name
				r.Spec.PolicyName = ""
				unstructured.RemoveNestedField(want, "spec", "policyName")
			}
			o.SetName("largest")
			o.GetObjectKind().SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
			live := stored(t, o)
			b, err := live.MarshalJSON()
			must(t, err)
			t.Logf("%d bytes", len(b))
			got := map[string]any{"spec": live.Object["spec"]}
			if status := live.Object["status"]; status != nil {
				got["status"] = status
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-sent +stored:\n%s", diff)
			}
		})
	}
}

// firstZero finds a field of spec or status that has no value.
func firstZero(v reflect.Value, path string) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return path
		}
		return firstZero(v.Elem(), path)
	case reflect.Slice:
		if v.Len() == 0 {
			return path
		}
		return firstZero(v.Index(0), path+"[]")
	case reflect.Struct:
		if v.Type().PkgPath() != reflect.TypeFor[v1alpha1.NVMePathSet]().PkgPath() {
			break
		}
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "TypeMeta" && name != "ObjectMeta" {
				if zero := firstZero(v.Field(i), path+"."+name); zero != "" {
					return zero
				}
			}
		}
		return ""
	}
	if v.IsZero() {
		return path
	}
	return ""
}

// TestSelectableFields lists by the fields that agents and people select by.
func TestSelectableFields(t *testing.T) {
	a, b := newPathSet("select-a", "node-a"), newPathSet("select-b", "node-b")
	b.Spec.VolumeHandle = "shelf2/db"
	ra, rb := newRemediation("select-a", "node-a", "admin"), newRemediation("select-b", "node-b", "admin")
	rb.Spec.PathSet = "shelf2-db-0123456789"
	created(t, a, b, ra, rb)
	for _, c := range []struct {
		resource, selector string
		want               []string
	}{
		{"nvmepathsets", "spec.nodeName=node-a", []string{"select-a"}},
		{"nvmepathsets", "spec.nodeName!=node-a", []string{"select-b"}},
		{"nvmepathsets", "spec.volumeHandle=shelf2/db", []string{"select-b"}},
		{"nvmepathsets", "spec.nodeName=node-a,spec.volumeHandle=shelf2/db", nil},
		{"nvmepathremediations", "spec.nodeName=node-b", []string{"select-b"}},
		{"nvmepathremediations", "spec.pathSet=shelf2-db-0123456789", []string{"select-b"}},
	} {
		out, err := server.Kubectl(t.Context(), "get", c.resource, "--field-selector="+c.selector, "--output=jsonpath={.items[*].metadata.name}")
		must(t, err)
		if got := strings.Fields(out); !slices.Equal(got, c.want) {
			t.Errorf("%s with %s: %q, want %q", c.resource, c.selector, got, c.want)
		}
	}
	_, err := server.Kubectl(t.Context(), "get", "nvmepathsets", "--field-selector=spec.subsystemNQN=x")
	if err == nil {
		t.Error("a field that is not selectable was selected by, so this test shows nothing")
	}
}

// unstructuredOf is an object as its manifest would have it.
func unstructuredOf(t *testing.T, o client.Object) *unstructured.Unstructured {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	must(t, err)
	return &unstructured.Unstructured{Object: content}
}
