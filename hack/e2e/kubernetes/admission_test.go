package kubernetes

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/braid-csi/braid/hack/lab"
)

// TestKubernetesAdmission does with the tokens of running pods what they are
// for, and what whoever steals them would try.
func TestKubernetesAdmission(t *testing.T) {
	s := newScene(t, alphaOn)
	set := s.start()
	agent := s.nodeToken()
	unbound := s.unboundToken()
	theirs := "theirs-" + s.volume.Name
	must(t, s.lab.Apply(s.ctx, pathSet(theirs, otherNode)))
	must(t, s.lab.Apply(s.ctx, remediation(theirs, otherNode, theirs, "admin")))

	const restricted, requester = "braid-node-restriction", "braid-requester"
	for _, tt := range []struct {
		name     string
		as       string // a token; empty: the administrator
		manifest string
		args     []string
		// denied is the policy that must refuse it; empty: it is allowed.
		denied string
	}{
		{name: "its node's, create", as: agent, manifest: pathSet("ours", lab.NodeName)},
		{name: "its node's, status", as: agent, args: patchStatus("nvmepathset/ours")},
		{name: "its node's, delete", as: agent, args: []string{"delete", "nvmepathset/ours"}},
		{name: "another node's, create", as: agent, manifest: pathSet("forged", otherNode), denied: restricted},
		{name: "another node's, update", as: agent, args: []string{"label", "nvmepathset/" + theirs, "a=b"}, denied: restricted},
		{name: "another node's, status", as: agent, args: patchStatus("nvmepathset/" + theirs), denied: restricted},
		{name: "another node's, delete", as: agent, args: []string{"delete", "nvmepathset/" + theirs}, denied: restricted},
		{name: "another node's remediation, status", as: agent, args: patchStatus("nvmepathremediation/" + theirs), denied: restricted},
		{name: "a token bound to no node", as: unbound, manifest: pathSet("unbound", lab.NodeName), denied: restricted},
		{name: "requested by oneself", manifest: remediation("by-admin", lab.NodeName, set.Name, "admin")},
		{name: "requested by somebody else", manifest: remediation("by-alice", lab.NodeName, set.Name, "alice"), denied: requester},
	} {
		t.Run(tt.name, func(t *testing.T) { s.tries(t, tt.as, tt.manifest, tt.args, tt.denied) })
	}
	_, err := s.lab.Run(s.ctx, "kubectl", "delete", "nvmepathremediation/"+theirs, "nvmepathremediation/by-admin", "nvmepathset/"+theirs)
	must(t, err)
	s.end()
}

// tries applies a manifest, or runs kubectl, and wants it to be refused by a
// policy, or to be done.
func (s *scene) tries(t *testing.T, token, manifest string, args []string, denied string) {
	t.Helper()
	if manifest != "" {
		must(t, s.lab.Write("tried.yaml", manifest))
		args = []string{"create", "--filename=tried.yaml"}
	}
	_, err := s.lab.RunWithToken(s.ctx, token, append([]string{"kubectl"}, args...)...)
	if denied == "" {
		must(t, err)
		return
	}
	var refused *lab.CommandError
	if !errors.As(err, &refused) || !strings.Contains(refused.Stderr, "'"+denied+"'") {
		t.Errorf("want it to be refused by %s, got %v", denied, err)
	}
}

func patchStatus(object string) []string {
	return []string{"patch", object, "--subresource=status", "--type=merge", "--patch", `{"status":{"conditions":[]}}`}
}

// nodeToken is the one that braid-node on the lab's node has.
func (s *scene) nodeToken() string {
	s.t.Helper()
	pod, err := s.lab.NodePod(s.ctx)
	must(s.t, err)
	token, err := s.lab.Node.Run(s.ctx, "sh", "-c", fmt.Sprintf("cat %s/pods/%s/volumes/kubernetes.io~projected/kube-api-access-*/token", lab.KubeletDir, pod.UID))
	must(s.t, err)
	return strings.TrimSpace(token)
}

// unboundToken is of the same service account, and of no pod.
func (s *scene) unboundToken() string {
	s.t.Helper()
	c, err := s.lab.Run(s.ctx, "kubectl", "create", "token", "braid-node", "--namespace", lab.SystemNamespace)
	must(s.t, err)
	return strings.TrimSpace(c.Output)
}

func pathSet(name, node string) string {
	return fmt.Sprintf(`
apiVersion: braid.dev/v1alpha1
kind: NVMePathSet
metadata: {name: %s}
spec:
  nodeName: %s
  volumeHandle: %s
  subsystemNQN: nqn.2026-11.test.braid:forged
  namespaceID: {type: uuid, value: b4a1d000-0000-4000-8000-000000000000}
  addresses: ["tcp://192.0.2.2:4420"]
`, name, node, name)
}

func remediation(name, node, set, by string) string {
	return fmt.Sprintf(`
apiVersion: braid.dev/v1alpha1
kind: NVMePathRemediation
metadata: {name: %s}
spec:
  nodeName: %s
  pathSet: %s
  actions: [Rescan]
  reason: to see whether it is allowed
  requestedBy: %s
`, name, node, set, by)
}
