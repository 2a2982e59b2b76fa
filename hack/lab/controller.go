package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// StartController runs one more braid-controller, on this machine, as if it
// were on a second node: the lab's only node cannot be taken away from those
// that run there. It ends with stop, or with ctx.
func (l *Lab) StartController(ctx context.Context) (stop func(), err error) {
	const name = "braid-controller"
	build := exec.CommandContext(ctx, "go", "build", "-o", l.File(name), "./cmd/"+name)
	build.Dir = l.cfg.Source
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building %s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	token, err := l.Run(ctx, "kubectl", "create", "token", name, "--namespace", SystemNamespace)
	if err != nil {
		return nil, err
	}
	kubeconfig, err := l.writeKubeconfig(name+".kubeconfig", strings.TrimSpace(token.Output))
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(l.Logs, name+".log"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, l.File(name), "-kubeconfig", kubeconfig, "-namespace", SystemNamespace,
		"-health-address", "127.0.0.1:0", "-metrics-address", "127.0.0.1:0")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		cancel()
		log.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return func() {
		cancel()
		_ = cmd.Wait() // that it was ended is no error
		log.Close()
	}, nil
}
