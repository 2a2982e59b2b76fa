package api

import (
	"context"
	"strings"
	"sync"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The chart's policies, whose bindings have their names.
const (
	nodeRestriction = "braid-node-restriction"
	requester       = "braid-requester"
)

// TestPoliciesTypeCheck waits for the verdict of the API server's type checker
// over all expressions: it knows the fields that the definitions have.
func TestPoliciesTypeCheck(t *testing.T) {
	for _, o := range ofKind(t, "ValidatingAdmissionPolicy", 2) {
		var live admissionv1.ValidatingAdmissionPolicy
		eventually(t, "type check of "+o.GetName(), func(ctx context.Context) (bool, error) {
			err := server.admin.Get(ctx, client.ObjectKeyFromObject(o), &live)
			return live.Status.TypeChecking != nil && live.Status.ObservedGeneration == live.Generation, err
		})
		for _, w := range live.Status.TypeChecking.ExpressionWarnings {
			t.Errorf("%s, %s: %s", o.GetName(), w.FieldRef, w.Warning)
		}
		if *live.Spec.FailurePolicy != admissionv1.Fail {
			t.Errorf("%s: failurePolicy is %s", o.GetName(), *live.Spec.FailurePolicy)
		}
	}
}

var force sync.Once

// enforced waits until the API server enforces both policies, which it does
// some time after it has stored them: until each has refused what it must.
func enforced(t *testing.T) {
	t.Helper()
	force.Do(func() {
		t.Helper()
		namespace, account := agentAccount(t)
		user := "system:serviceaccount:" + namespace + ":" + account
		refuses(t, nodeRestriction, user, impersonated(t, user, "system:masters"), newPathSet("probe", "node-a"))
		refuses(t, requester, "admin", server.admin, newRemediation("probe", "node-a", "nobody"))
	})
}

func refuses(t *testing.T, policy, user string, c client.Client, o client.Object) {
	t.Helper()
	eventually(t, policy+" to refuse anything to "+user, func(ctx context.Context) (bool, error) {
		err := c.Create(ctx, o.DeepCopyObject().(client.Object), client.DryRunAll)
		if err != nil && !apierrors.IsForbidden(err) {
			return false, err
		}
		return err != nil && strings.Contains(err.Error(), policy), nil
	})
}

// deniedBy wants a policy's refusal in these words.
func deniedBy(t *testing.T, what string, err error, policy, words string) {
	t.Helper()
	want := "ValidatingAdmissionPolicy '" + policy + "' with binding '" + policy + "' denied request: " + words
	if !apierrors.IsForbidden(err) || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%s: %v\nwant %s", what, err, want)
	}
}
