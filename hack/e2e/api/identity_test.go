package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// withToken is a client with a token of a ServiceAccount, which is bound to the
// object unless that is nil.
func withToken(t *testing.T, namespace, account string, bound client.Object) client.Client {
	t.Helper()
	request := &authenticationv1.TokenRequest{}
	if bound != nil {
		gvk, err := server.admin.GroupVersionKindFor(bound)
		must(t, err)
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{
			APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Name: bound.GetName(), UID: bound.GetUID(),
		}
	}
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account}}
	must(t, server.admin.SubResource("token").Create(t.Context(), sa, request))
	config := rest.AnonymousClientConfig(server.config)
	config.BearerToken = request.Status.Token
	return mustClient(t, config)
}

// withCertificate is a client with a certificate that the cluster has signed.
func withCertificate(t *testing.T, user string) client.Client {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: user}}, key)
	must(t, err)
	csr := &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}),
			SignerName: certificatesv1.KubeAPIServerClientSignerName,
			Usages:     []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth},
		},
	}
	created(t, csr)
	csr.Status.Conditions = []certificatesv1.CertificateSigningRequestCondition{{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "Test",
	}}
	must(t, server.admin.SubResource("approval").Update(t.Context(), csr))
	eventually(t, "certificate of "+user, func(ctx context.Context) (bool, error) {
		err := server.admin.Get(ctx, client.ObjectKeyFromObject(csr), csr)
		return len(csr.Status.Certificate) > 0, err
	})
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	config := rest.AnonymousClientConfig(server.config)
	config.CertData = csr.Status.Certificate
	config.KeyData = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	return mustClient(t, config)
}

// impersonated is the client of an administrator who acts as somebody else.
func impersonated(t *testing.T, user string, groups ...string) client.Client {
	t.Helper()
	config := rest.CopyConfig(server.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	return mustClient(t, config)
}

func mustClient(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	c, err := newClient(config)
	must(t, err)
	return c
}

// grant binds a ClusterRole to somebody until the test ends.
func grant(t *testing.T, role string, to rbacv1.Subject) {
	t.Helper()
	created(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "test-" + role + "-" + to.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{to},
	})
}

// everything is a ClusterRole with all rights to Braid's objects: who has it is
// stopped by policies alone.
func everything(t *testing.T) string {
	t.Helper()
	const name = "test-everything"
	created(t, &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"braid.dev"}, Resources: []string{"*"}, Verbs: []string{"*"}}},
	})
	return name
}

// mayNow waits until a role that was just granted counts.
func mayNow(t *testing.T, c client.Client, verb, resource string) {
	t.Helper()
	eventually(t, verb+" "+resource, func(ctx context.Context) (bool, error) {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: "braid.dev", Resource: resource},
		}}
		err := c.Create(ctx, review)
		return review.Status.Allowed, err
	})
}

func serviceAccount(namespace, name string) rbacv1.Subject {
	return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}
}
