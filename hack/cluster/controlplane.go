package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/braid-csi/braid/hack/poll"
)

const etcdURL = "http://127.0.0.1:2379"

// startControlPlane returns when the API server is ready. The other two come
// after it, as they would only wait.
func (c *Cluster) startControlPlane(ctx context.Context, cfg Config, k *keys) error {
	if _, err := c.start("etcd", c.parts.etcd(), etcdFlags(c.state.path("etcd"))...); err != nil {
		return err
	}
	gates := gateFlag(cfg.FeatureGates)
	flags := slices.Concat(apiServerFlags(k), gates, cfg.APIServerFlags)
	var err error
	if c.apiServer, err = c.start("kube-apiserver", c.parts.programs.Path("kube-apiserver"), flags...); err != nil {
		return err
	}
	c.pool = k.pool
	if err := c.ready(ctx); err != nil {
		return err
	}
	flags = slices.Concat(controllerFlags(k), gates, cfg.ControllerManagerFlags, []string{"--flex-volume-plugin-dir=" + c.state.path("flex")})
	if _, err := c.start("kube-controller-manager", c.parts.programs.Path("kube-controller-manager"), flags...); err != nil {
		return err
	}
	_, err = c.start("kube-scheduler", c.parts.programs.Path("kube-scheduler"), slices.Concat(clientFlags(k.scheduler), gates)...)
	return err
}

// StopAPIServer kills the API server: connections break, and new ones are
// refused. Everybody else goes on.
func (c *Cluster) StopAPIServer() { c.apiServer.kill() }

// StartAPIServer starts it again, and returns when it is ready. What it knew
// it still knows, from etcd.
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	if err := c.apiServer.start(); err != nil {
		return err
	}
	return c.cause(c.ready(ctx))
}

func etcdFlags(dir string) []string {
	const peers = "http://127.0.0.1:2380"
	return []string{
		"--name=braid", "--data-dir=" + dir, "--log-level=warn",
		"--unsafe-no-fsync", // the data ends with the cluster
		"--listen-client-urls=" + etcdURL, "--advertise-client-urls=" + etcdURL,
		"--listen-peer-urls=" + peers, "--initial-advertise-peer-urls=" + peers, "--initial-cluster=braid=" + peers,
	}
}

func apiServerFlags(k *keys) []string {
	return []string{
		"--etcd-servers=" + etcdURL,
		"--bind-address=0.0.0.0", "--secure-port=" + apiPort, "--advertise-address=" + hostIP,
		"--service-cluster-ip-range=" + serviceCIDR,
		"--tls-cert-file=" + k.apiServer.cert, "--tls-private-key-file=" + k.apiServer.key,
		"--client-ca-file=" + k.authority.cert,
		"--kubelet-certificate-authority=" + k.authority.cert, "--kubelet-preferred-address-types=InternalIP",
		"--kubelet-client-certificate=" + k.toKubelet.cert, "--kubelet-client-key=" + k.toKubelet.key,
		"--requestheader-client-ca-file=" + k.authority.cert, "--requestheader-allowed-names=front-proxy",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + k.authority.key, "--service-account-signing-key-file=" + k.authority.key,
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
	}
}

func controllerFlags(k *keys) []string {
	return append(clientFlags(k.controllers),
		"--root-ca-file="+k.authority.cert, "--service-account-private-key-file="+k.authority.key,
		"--cluster-signing-cert-file="+k.authority.cert, "--cluster-signing-key-file="+k.authority.key,
		"--use-service-account-credentials=true", "--controllers=*",
	)
}

func clientFlags(kubeconfig string) []string {
	return []string{
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--leader-elect=false", "--bind-address=127.0.0.1",
	}
}

func gateFlag(gates map[string]bool) []string {
	if len(gates) == 0 {
		return nil
	}
	var all []string
	for name, on := range gates {
		all = append(all, fmt.Sprintf("%s=%t", name, on))
	}
	slices.Sort(all)
	return []string{"--feature-gates=" + strings.Join(all, ",")}
}

// ready waits for the API server's word that it is.
func (c *Cluster) ready(ctx context.Context) error {
	client := c.client()
	defer client.CloseIdleConnections()
	return poll.Until(ctx, "the API server", func() (bool, error) {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return c.isReady(attempt, client), nil
	})
}

// TakePulse asks both sides of the cluster: the API server with etcd, and the
// programs of the node's machine.
func (c *Cluster) TakePulse(ctx context.Context) *poll.Pulse {
	const pause = 200 * time.Millisecond // a question costs the node some of its processor
	client := c.client()
	return poll.TakePulse(ctx, pause, func(ctx context.Context) bool {
		_, err := c.Node.Run(ctx, "true")
		return err == nil && c.isReady(ctx, client)
	})
}

// client trusts the cluster's authority, and is nobody.
func (c *Cluster) client() *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.pool)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, IdleConnTimeout: time.Minute}}
}

// isReady asks the API server whether it is, for which it asks etcd.
func (c *Cluster) isReady(ctx context.Context, client *http.Client) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false // nobody listens yet
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body) // or the connection is not used again
	return response.StatusCode == http.StatusOK
}
