package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/braid-csi/braid/hack/cluster"
	"github.com/braid-csi/braid/hack/image"
)

const (
	helloImage = "localhost/hello:1"
	helloPod   = `
apiVersion: v1
kind: Pod
metadata: {name: hello}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: hello
      image: ` + helloImage + `
      command: [/bin/busybox, sleep, "3600"]
`
)

// step is a command whose output has to contain something.
type step struct {
	what string
	do   func(ctx context.Context) (string, error)
	want []string
}

// selftest shows that all of it works: a pod from an image made here, whose
// node has NVMe over TCP, and which reaches the API server.
func selftest(ctx context.Context, cfg cluster.Config) (err error) {
	dir, err := os.MkdirTemp("", "braid-selftest-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	hello, err := writeHello(ctx, cfg, dir)
	if err != nil {
		return err
	}
	cfg.Images = append(cfg.Images, hello)
	began := time.Now()
	c, err := cluster.Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, c.Close())
		progress("%5.1f s  all over", time.Since(began).Seconds())
	}()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for _, s := range steps(c) {
		out, err := s.do(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		for _, w := range s.want {
			if !strings.Contains(out, w) {
				return fmt.Errorf("%s: no %q in\n%s", s.what, w, out)
			}
		}
		progress("%5.1f s  %s%s", time.Since(began).Seconds(), s.what, excerpt(out, s.want))
	}
	return nil
}

func steps(c *cluster.Cluster) []step {
	kubectl := func(args ...string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) { return c.Kubectl(ctx, args...) }
	}
	apply := func(ctx context.Context) (string, error) { return "", c.Apply(ctx, helloPod) }
	node := func(args ...string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) { return c.Node.Run(ctx, args...) }
	}
	const inPod = `busybox wc -l </proc/mounts; echo | busybox nc -w 10 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT && echo API server reached`
	return []step{
		{"kubectl get nodes", kubectl("get", "nodes", "-o", "wide"), []string{" Ready "}},
		{"NVMe on the node", node("sh", "-c", "modprobe -a nvme-tcp nvmet-tcp && uname -r && lsmod | grep ^nvme"), []string{"nvme_tcp"}},
		{"creating a pod", apply, nil},
		{"pod ready", kubectl("wait", "--for=condition=Ready", "pod/hello", "--timeout=120s"), []string{"condition met"}},
		{"kubectl exec", kubectl("exec", "hello", "--", "/bin/busybox", "sh", "-c", inPod), []string{"API server reached"}},
		{"kubectl describe node", kubectl("describe", "node", "--show-events=false"), []string{"KubeletReady", "containerd://"}},
		{"kubelet restarts", node("sh", "-c", "old=$(pgrep -x kubelet); pkill -x kubelet; until new=$(pgrep -x kubelet) && [ $new != $old ]; do sleep 0.1; done; echo $old, $new"), []string{", "}},
		{"deleting the pod", kubectl("delete", "pod/hello", "--wait"), []string{"deleted"}},
	}
}

// writeHello makes an image of one static program.
func writeHello(ctx context.Context, cfg cluster.Config, dir string) (string, error) {
	busybox, err := cluster.Busybox(ctx, cfg)
	if err != nil {
		return "", err
	}
	files := image.NewFiles()
	if err := files.File("/bin/busybox", busybox); err != nil {
		return "", err
	}
	f, err := os.Create(filepath.Join(dir, "hello.tar"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	spec := image.Spec{Name: helloImage, Entrypoint: []string{"/bin/busybox"}, Files: files}
	return f.Name(), image.Write(f, spec)
}

// excerpt is an output, or what was looked for if it is a long one.
func excerpt(out string, want []string) string {
	const long = 8
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) > long {
		lines = slices.DeleteFunc(lines, func(l string) bool {
			return !slices.ContainsFunc(want, func(w string) bool { return strings.Contains(l, w) })
		})
	}
	var b strings.Builder
	for _, l := range lines {
		if l = strings.TrimRight(l, " "); l != "" {
			b.WriteString("\n           " + l)
		}
	}
	return b.String()
}
