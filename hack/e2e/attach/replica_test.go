package attach

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/braid-csi/braid/hack/poll"
)

// replica is a braid-controller that runs.
type replica struct {
	number int
	// health and metrics are where it serves them.
	health, metrics string
	log             string
	cmd             *exec.Cmd
	ended           chan struct{}
	err             error // with which it ended
}

// startReplica returns when it is ready.
func startReplica(number int) (*replica, error) {
	// All of 127.0.0.0/8 is this machine: tests that run at the same time do
	// not meet.
	pid := os.Getpid()
	host := fmt.Sprintf("127.%d.%d.%d", 64+pid>>16&0x3f, pid>>8&0xff, pid&0xff)
	r := &replica{
		number: number,
		health: fmt.Sprintf("%s:%d", host, 9811+10*number), metrics: fmt.Sprintf("%s:%d", host, 9812+10*number),
		log:   filepath.Join(bed.Logs, fmt.Sprintf("braid-controller-%d.log", number)),
		ended: make(chan struct{}),
	}
	out, err := os.OpenFile(r.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	r.cmd = exec.Command(bed.program, "-kubeconfig="+bed.kubeconfig, "-namespace="+namespace,
		"-health-address="+r.health, "-metrics-address="+r.metrics)
	r.cmd.Stdout, r.cmd.Stderr = out, out
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The kernel kills it when the thread that started it ends.
		runtime.LockOSThread()
		started <- r.cmd.Start()
		r.err = r.cmd.Wait()
		close(r.ended)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	return r, poll.Every(ctx, 20*time.Millisecond, "braid-controller to be ready", func() (bool, error) {
		select {
		case <-r.ended:
			log, _ := os.ReadFile(r.log)
			return false, fmt.Errorf("braid-controller ended: %w\n%s", r.err, log)
		default:
			_, alive := get(r.health + "/healthz")
			_, ready := get(r.health + "/readyz")
			return alive && ready, nil
		}
	})
}

// leads tells whether it says that it works.
func (r *replica) leads() bool {
	text, _ := get(r.metrics + "/metrics")
	return strings.Contains(text, `leader_election_master_status{name="braid-controller"} 1`)
}

// get returns what is served, and whether anything is.
func get(url string) (text string, ok bool) {
	response, err := http.Get("http://" + url)
	if err != nil {
		return "", false // nobody listens yet
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	return string(b), err == nil && response.StatusCode == http.StatusOK
}

// kill ends it as a node does that loses power.
func (r *replica) kill() {
	_ = r.cmd.Process.Kill() // it may have ended
	<-r.ended
}

// stop ends it as kubelet does, and returns how it took that.
func (r *replica) stop() error {
	err := r.cmd.Process.Signal(syscall.SIGTERM)
	<-r.ended
	return errors.Join(err, r.err)
}

// writeKubeconfig writes how the controller reaches the API server: with a
// token of its own ServiceAccount.
func writeKubeconfig(ctx context.Context, name string) error {
	token, err := bed.Kubectl(ctx, "create", "token", "braid-controller", "--namespace="+namespace)
	if err != nil {
		return err
	}
	config, err := clientcmd.LoadFromFile(bed.Kubeconfig)
	if err != nil {
		return err
	}
	for user := range config.AuthInfos {
		config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: strings.TrimSpace(token)}
	}
	return clientcmd.WriteToFile(*config, name)
}
