package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/hack/poll"
)

const (
	manifest = "../../../deploy/braid.yaml"
	// soon is how long the API server may take for what it does by and by:
	// serving a definition, enforcing a policy, knowing a role.
	soon = 30 * time.Second
)

// install applies all of the manifest, as kubectl apply --server-side would,
// and waits until the definitions are served.
func install(ctx context.Context) error {
	var err error
	if server.chart, err = load(manifest); err != nil {
		return err
	}
	owner := client.FieldOwner("test")
	for _, o := range server.chart {
		// Applying fills the object in.
		if err := server.admin.Apply(ctx, client.ApplyConfigurationFromUnstructured(o.DeepCopy()), owner); err != nil {
			return fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err)
		}
		if o.GetKind() == "CustomResourceDefinition" {
			if _, err := server.Kubectl(ctx, "wait", "--for=condition=Established", "crd/"+o.GetName(), "--timeout="+soon.String()); err != nil {
				return err
			}
		}
	}
	return nil
}

// load reads the objects of a file.
func load(name string) ([]*unstructured.Unstructured, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []*unstructured.Unstructured
	for documents := yaml.NewYAMLOrJSONDecoder(f, 4096); ; {
		o := &unstructured.Unstructured{}
		switch err := documents.Decode(o); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("%s, object %d: %w", name, len(all)+1, err)
		case o.Object != nil:
			all = append(all, o)
		}
	}
}

// ofKind are the chart's objects of a kind.
func ofKind(t *testing.T, kind string, atLeast int) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for _, o := range server.chart {
		if o.GetKind() == kind {
			all = append(all, o)
		}
	}
	if len(all) < atLeast {
		t.Fatalf("%s has %d objects of kind %s, want %d", manifest, len(all), kind, atLeast)
	}
	return all
}

func TestInstallWithoutWarnings(t *testing.T) {
	server.warnings.Lock()
	defer server.warnings.Unlock()
	for _, text := range server.warnings.all {
		t.Errorf("the API server warns: %s", text)
	}
}

func TestDefinitions(t *testing.T) {
	for _, o := range ofKind(t, "CustomResourceDefinition", 4) {
		live := &unstructured.Unstructured{}
		live.SetGroupVersionKind(o.GroupVersionKind())
		must(t, server.admin.Get(t.Context(), client.ObjectKeyFromObject(o), live))
		if keep := live.GetAnnotations()["helm.sh/resource-policy"]; keep != "keep" {
			t.Errorf("%s: helm.sh/resource-policy is %q: an uninstall would delete every object", o.GetName(), keep)
		}
		conditions, _, err := unstructured.NestedSlice(live.Object, "status", "conditions")
		must(t, err)
		got := map[string]string{}
		for _, c := range conditions {
			c := c.(map[string]any)
			got[c["type"].(string)] = c["status"].(string)
		}
		for condition, want := range map[string]string{
			"Established": "True", "NamesAccepted": "True", "NonStructuralSchema": "", "KubernetesAPIApprovalPolicyConformant": "",
		} {
			if got[condition] != want {
				t.Errorf("%s: %s is %q, want %q", o.GetName(), condition, got[condition], want)
			}
		}
	}
}

// eventually waits for what comes by and by.
func eventually(t *testing.T, what string, done func(context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	must(t, poll.Every(ctx, 50*time.Millisecond, what, func() (bool, error) { return done(ctx) }))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// created makes objects exist until the test ends.
func created(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		must(t, server.admin.Create(t.Context(), o))
		t.Cleanup(func() { gone(t, o) })
	}
}

func gone(t *testing.T, o client.Object) {
	t.Helper()
	// The test's own context is over when this is called.
	err := server.admin.Delete(context.Background(), o, client.GracePeriodSeconds(0))
	if client.IgnoreNotFound(err) != nil {
		t.Errorf("cleaning up: %v", err)
	}
}

// addNodes makes nodes nobody is behind.
func addNodes(t *testing.T, names ...string) []*corev1.Node {
	t.Helper()
	var nodes []*corev1.Node
	for _, name := range names {
		n := &corev1.Node{}
		n.Name = name
		created(t, n)
		nodes = append(nodes, n)
	}
	return nodes
}
