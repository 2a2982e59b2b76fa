package hyper

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/braid-csi/braid/hack/cluster/cache"
)

// kind is the folder of the cache the programs are in.
const kind = "kubernetes"

// hyper is the one binary; the programs are links to it.
const hyper = "hyper"

var names = []string{"kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet"}

// Programs is a folder with the programs of one Kubernetes version.
type Programs struct {
	Dir     string
	Version string
}

// Path is where a program is.
func (p *Programs) Path(name string) string { return filepath.Join(p.Dir, name) }

// Key names this build, for what is made from it in turn.
func (p *Programs) Key() string { return filepath.Base(p.Dir) }

// Get returns the programs of a cluster, which it builds if the cache does not
// have them: that takes some minutes, three gigabytes of memory and four of
// disk.
func Get(ctx context.Context, store cache.Store, hack string) (*Programs, error) {
	return get(ctx, store, filepath.Join(hack, "kubernetes"), hyper, names...)
}

// Kubelet136 returns a folder with the kubelet of Kubernetes 1.36, for a node
// that is older than its cluster. That is built as the others are.
func Kubelet136(ctx context.Context, store cache.Store, hack string) (*Programs, error) {
	return get(ctx, store, filepath.Join(hack, "kubelet136"), "kubelet")
}

// get builds a module into one binary, with links to it.
func get(ctx context.Context, store cache.Store, module, binary string, links ...string) (*Programs, error) {
	s, err := readSource(ctx, module)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	key, err := s.key()
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	dir, err := store.Get(ctx, kind, key, func(ctx context.Context, dir string) error {
		if err := s.build(ctx, dir, binary, store.Progress); err != nil {
			return err
		}
		for _, name := range links {
			if err := os.Symlink(binary, filepath.Join(dir, name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Programs{Dir: dir, Version: s.version}, nil
}

// build leaves in dir nothing but the binary. It has a build cache of its
// own, because in the user's the thousands of packages would stay for days.
func (s source) build(ctx context.Context, dir, binary string, progress func(string, ...any)) error {
	began := time.Now()
	progress("kubernetes %s: fetching modules", s.version)
	deps, err := s.goTool(ctx, "list", "-deps", ".")
	if err != nil {
		return err
	}
	total := strings.Count(deps, "\n") + 1
	progress("kubernetes %s: building %d packages, once", s.version, total)

	buildCache := filepath.Join(dir, "build-cache")
	args := append([]string{"build", "-v", "-o", filepath.Join(dir, binary)}, s.buildFlags()...)
	cmd := s.command(ctx, append(args, ".")...)
	cmd.Env = append(cmd.Env, "GOCACHE="+buildCache)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with its compilers
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	said := watch(out, func(done int) {
		progress("kubernetes %s: %d of %d packages after %s", s.version, done, total, time.Since(began).Round(time.Second))
	})
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("go build: %w: %s", err, said)
	}
	if err := os.RemoveAll(buildCache); err != nil {
		return err
	}
	progress("kubernetes %s: built in %s", s.version, time.Since(began).Round(time.Second))
	return nil
}

// often is how often the user hears that a build is still going on.
const often = 30 * time.Second

// watch counts the packages go build -v names, and returns its last lines,
// which say why it failed if it did.
func watch(r io.Reader, report func(done int)) string {
	var last []string
	next := time.Now().Add(often)
	done := 0
	for s := bufio.NewScanner(r); s.Scan(); {
		done++
		if last = append(last, s.Text()); len(last) > 20 {
			last = last[1:]
		}
		if now := time.Now(); now.After(next) {
			report(done)
			next = now.Add(often)
		}
	}
	return strings.Join(last, "\n")
}
