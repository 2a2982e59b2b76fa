package cluster

import (
	"fmt"

	"github.com/braid-csi/braid/hack/cluster/pki"
)

// keys are the files with everybody's keys, and what the node gets of them.
type keys struct {
	authority, apiServer, toKubelet keyFiles
	// kubeconfigs
	admin, controllers, scheduler string
	pool                          []byte
	node                          nodeKeys
}

type keyFiles struct{ cert, key string }

// nodeKeys go into the node's own files.
type nodeKeys struct {
	kubeconfig []byte
	server     pki.Pair
}

// newKeys writes them into the state folder. outside is the API server's
// address for programs outside of the namespace.
func newKeys(s *state, nodeName, outside string) (*keys, error) {
	a, err := pki.New("braid-test-cluster")
	if err != nil {
		return nil, err
	}
	k := &keys{pool: a.PEM.Cert}
	w := keyWriter{state: s, authority: a}
	k.authority = w.pair("ca", a.PEM, nil)
	k.apiServer = w.server("apiserver",
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost", "127.0.0.1", hostIP, apiService)
	k.toKubelet = w.client("apiserver-to-kubelet", "kube-apiserver", "system:masters")

	const inside = "https://127.0.0.1:" + apiPort
	k.admin = w.kubeconfig("admin", outside, "admin", "system:masters")
	k.controllers = w.kubeconfig("controllers", inside, "system:kube-controller-manager")
	k.scheduler = w.kubeconfig("scheduler", inside, "system:kube-scheduler")
	if w.err != nil {
		return nil, fmt.Errorf("keys: %w", w.err)
	}

	client, err := a.Client("system:node:"+nodeName, "system:nodes")
	if err != nil {
		return nil, err
	}
	if k.node.kubeconfig, err = a.Kubeconfig("https://"+hostIP+":"+apiPort, client); err != nil {
		return nil, err
	}
	k.node.server, err = a.Server(nodeName, nodeIP, "127.0.0.1")
	return k, err
}

// keyWriter keeps the first error.
type keyWriter struct {
	state     *state
	authority *pki.Authority
	err       error
}

func (w *keyWriter) file(name string, content []byte) string {
	to, err := w.state.write(name, content)
	if w.err == nil {
		w.err = err
	}
	return to
}

func (w *keyWriter) pair(name string, p pki.Pair, err error) keyFiles {
	if w.err == nil {
		w.err = err
	}
	return keyFiles{cert: w.file(name+".crt", p.Cert), key: w.file(name+".key", p.Key)}
}

func (w *keyWriter) server(name string, hosts ...string) keyFiles {
	p, err := w.authority.Server(hosts...)
	return w.pair(name, p, err)
}

func (w *keyWriter) client(name, user string, groups ...string) keyFiles {
	p, err := w.authority.Client(user, groups...)
	return w.pair(name, p, err)
}

func (w *keyWriter) kubeconfig(name, server, user string, groups ...string) string {
	client, err := w.authority.Client(user, groups...)
	if err != nil && w.err == nil {
		w.err = err
	}
	config, err := w.authority.Kubeconfig(server, client)
	if err != nil && w.err == nil {
		w.err = err
	}
	return w.file(name+".kubeconfig", config)
}
