package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	apply "github.com/braid-csi/braid/pkg/api/v1alpha1/applyconfiguration/api/v1alpha1"
)

// remediator is the chart's role for people who may ask.
const remediator = "braid-remediator"

// TestRequester: whoever asks, by whatever proof of identity, may ask in their
// own name only.
func TestRequester(t *testing.T) {
	enforced(t)
	created(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "operator"}})
	grant(t, remediator, rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "alice"})
	grant(t, remediator, serviceAccount("default", "operator"))
	clients := map[string]client.Client{
		"alice":                                  withCertificate(t, "alice"),
		"system:serviceaccount:default:operator": withToken(t, "default", "operator", nil),
		"admin":                                  server.admin,
		"bob":                                    impersonated(t, "bob"),
	}
	grant(t, remediator, rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "bob"})
	for user, c := range clients {
		mayNow(t, c, "create", "nvmepathremediations")
		for _, name := range []string{"alice", "operator", "system:serviceaccount:default:operator", "admin", "bob", "Alice", "alice "} {
			err := c.Create(t.Context(), newRemediation("by", "node-a", name), client.DryRunAll)
			if name == user {
				if err != nil {
					t.Errorf("%s may not ask in their own name: %v", user, err)
				}
				continue
			}
			deniedBy(t, user+" as "+name, err, requester, refusal(name, user))
		}
		unnamed := newRemediation("", "node-a", "nobody")
		unnamed.GenerateName = "by-"
		deniedBy(t, user+", leaving the name open", c.Create(t.Context(), unnamed, client.DryRunAll), requester, refusal("nobody", user))
	}
}

// TestRequesterInNoPolicysName: what a node asks for by itself is not for others
// to ask for.
func TestRequesterInNoPolicysName(t *testing.T) {
	enforced(t)
	r := newRemediation("by", "node-a", "admin")
	r.Spec.PolicyName = "gold"
	deniedBy(t, "admin", server.admin.Create(t.Context(), r, client.DryRunAll), requester, "spec.policyName is for what a node asks for by itself")
}

func refusal(requestedBy, user string) string {
	return fmt.Sprintf("spec.requestedBy is %q, but who makes the request is %q", requestedBy, user)
}

// TestRequesterOfMaintenance: so it is with maintenance.
func TestRequesterOfMaintenance(t *testing.T) {
	enforced(t)
	if err := server.admin.Create(t.Context(), newMaintenance("by", "admin"), client.DryRunAll); err != nil {
		t.Errorf("admin may not ask in their own name: %v", err)
	}
	deniedBy(t, "admin as alice", server.admin.Create(t.Context(), newMaintenance("by", "alice"), client.DryRunAll), requester, refusal("alice", "admin"))
}

// TestMaintainer: who has the chart's role begins and ends maintenance, and does
// not write what nodes have said of it.
func TestMaintainer(t *testing.T) {
	grant(t, "braid-maintainer", rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "alice"})
	alice := withCertificate(t, "alice")
	mayNow(t, alice, "create", "nvmepathmaintenances")
	m := newMaintenance("port-1", "alice")
	must(t, alice.Create(t.Context(), m))
	t.Cleanup(func() { gone(t, m) })
	m.Status.DrainedPaths = 7
	if err := alice.Status().Update(t.Context(), m); !apierrors.IsForbidden(err) {
		t.Errorf("whoever asks may write the record: %v", err)
	}
	must(t, alice.Patch(t.Context(), m, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"ended":true}}`))))
	if !m.Spec.Ended || m.Status.DrainedPaths != 0 {
		t.Errorf("ended, it has become %+v", m)
	}
	must(t, alice.Delete(t.Context(), m))
}

// TestRequesterByApply: creating is creating, by whatever verb.
func TestRequesterByApply(t *testing.T) {
	enforced(t)
	r := apply.NVMePathRemediation("applied").WithSpec(apply.NVMePathRemediationSpec().
		WithNodeName("node-a").WithPathSet("x").WithActions(v1alpha1.ActionRescan).WithReason("test").WithRequestedBy("alice"))
	deniedBy(t, "apply", server.admin.Apply(t.Context(), r, client.FieldOwner("test")), requester,
		refusal("alice", "admin"))
}

// TestRequesterMayOnlyAsk: a request, once made, is what it is, and its record
// is the node's.
func TestRequesterMayOnlyAsk(t *testing.T) {
	grant(t, remediator, rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "alice"})
	alice := withCertificate(t, "alice")
	mayNow(t, alice, "create", "nvmepathremediations")

	forged := newRemediation("forged", "node-a", "alice")
	forged.Status = remediationStatus()
	must(t, alice.Create(t.Context(), forged))
	t.Cleanup(func() { gone(t, forged) })
	var live v1alpha1.NVMePathRemediation
	must(t, server.admin.Get(t.Context(), client.ObjectKeyFromObject(forged), &live))
	if diff := cmp.Diff(v1alpha1.NVMePathRemediationStatus{}, live.Status); diff != "" {
		t.Errorf("whoever asks has written the record: -want +got:\n%s", diff)
	}

	for what, err := range map[string]error{
		"change the request": alice.Update(t.Context(), forged),
		"write the record":   alice.Status().Update(t.Context(), forged),
		"delete it":          alice.Delete(t.Context(), forged),
	} {
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `User "alice" cannot`) {
			t.Errorf("whoever asks may %s: %v", what, err)
		}
	}
}
