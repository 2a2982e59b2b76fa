package kubernetes

import (
	"errors"
	"fmt"
	"slices"
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
	var (
		// What the agent does: server-side apply, of an object or of its status.
		apply  = []string{"apply", "--server-side", "--force-conflicts", "--field-manager=stolen"}
		status = append(slices.Clone(apply), "--subresource=status")
		create = []string{"create"}
		remove = []string{"delete"}
	)
	for _, tt := range []struct {
		name     string
		as       string // a token; empty: the administrator
		verb     []string
		manifest string
		// denied is the policy that must refuse it; empty: it is allowed.
		denied string
	}{
		{name: "its node's, apply", as: agent, verb: apply, manifest: pathSet("ours", lab.NodeName)},
		{name: "its node's, status", as: agent, verb: status, manifest: statusOf(pathSet("ours", lab.NodeName))},
		{name: "its node's, delete", as: agent, verb: remove, manifest: pathSet("ours", lab.NodeName)},
		{name: "another node's, create", as: agent, verb: create, manifest: pathSet("forged", otherNode), denied: restricted},
		{name: "another node's, update", as: agent, verb: apply, manifest: pathSet(theirs, otherNode), denied: restricted},
		{name: "another node's, status", as: agent, verb: status, manifest: statusOf(pathSet(theirs, otherNode)), denied: restricted},
		{name: "another node's, delete", as: agent, verb: remove, manifest: pathSet(theirs, otherNode), denied: restricted},
		{name: "another node's remediation, status", as: agent, verb: status, manifest: statusOf(remediation(theirs, otherNode, theirs, "admin")), denied: restricted},
		{name: "with a token bound to no node", as: unbound, verb: create, manifest: pathSet("unbound", lab.NodeName), denied: restricted},
		{name: "requested by oneself", verb: create, manifest: remediation("by-admin", lab.NodeName, set.Name, "admin")},
		{name: "requested by somebody else", verb: create, manifest: remediation("by-alice", lab.NodeName, set.Name, "alice"), denied: requester},
	} {
		t.Run(tt.name, func(t *testing.T) { s.tries(t, tt.as, tt.verb, tt.manifest, tt.denied) })
	}
	_, err := s.lab.Run(s.ctx, "kubectl", "delete", "nvmepathremediation/"+theirs, "nvmepathremediation/by-admin", "nvmepathset/"+theirs)
	must(t, err)
	s.end()
}

// tries does something with a manifest, and wants it to be refused by a policy,
// or to be done.
func (s *scene) tries(t *testing.T, token string, verb []string, manifest, denied string) {
	t.Helper()
	must(t, s.lab.Write("tried.yaml", manifest))
	args := append(append([]string{"kubectl"}, verb...), "--filename=tried.yaml")
	_, err := s.lab.RunWithToken(s.ctx, token, args...)
	if denied == "" {
		must(t, err)
		return
	}
	var refused *lab.CommandError
	if !errors.As(err, &refused) || !strings.Contains(refused.Stderr, "'"+denied+"'") {
		t.Errorf("want it to be refused by %s, got %v", denied, err)
	}
}

// statusOf is a manifest with a status, which says nothing.
func statusOf(manifest string) string { return manifest + "status: {conditions: []}\n" }

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
