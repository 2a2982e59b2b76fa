package remote

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"

	"github.com/braid-csi/braid/hack/cluster/agent"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/nvmet"
	"github.com/braid-csi/braid/hack/rig"
)

// Program is where a node has braid-rig.
const Program = "/usr/local/bin/braid-rig"

// machine runs programs where the rig shall be.
type machine interface {
	Command(ctx context.Context, c agent.Command) error
}

// Rig is one on a node. Its methods do what those of rig.Rig do.
type Rig struct {
	mu      sync.Mutex
	stop    context.CancelFunc
	in      *io.PipeWriter
	answers *bufio.Scanner
	ended   chan struct{}
	err     error // how the program ended
	addrs   []netip.AddrPort
}

// New builds a rig on a node that has braid-rig. It ends with Close, or with
// ctx.
func New(ctx context.Context, node machine, cfg rig.Config) (*Rig, error) {
	r := start(ctx, node, Program)
	a, err := r.ask(ctx, request{Do: build, Rig: &cfg})
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	r.addrs = a.Addrs
	return r, nil
}

func start(ctx context.Context, node machine, program string) *Rig {
	ctx, stop := context.WithCancel(ctx)
	in, write := io.Pipe()
	read, out := io.Pipe()
	r := &Rig{stop: stop, in: write, answers: bufio.NewScanner(read), ended: make(chan struct{})}
	r.answers.Buffer(nil, 16<<20) // a tree of sysfs is long
	go func() {
		defer close(r.ended)
		var stderr bytes.Buffer
		r.err = node.Command(ctx, agent.Command{Args: []string{program}, Stdin: in, Stdout: out, Stderr: &stderr})
		_ = in.CloseWithError(io.ErrClosedPipe)
		_ = out.Close()
	}()
	return r
}

// ask sends a request and waits for its answer. A request that was given up
// ends the program, whose next answer would be to something else.
func (r *Rig) ask(ctx context.Context, q request) (answer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer context.AfterFunc(ctx, r.stop)()
	line, err := json.Marshal(q)
	if err != nil {
		return answer{}, err
	}
	var a answer
	switch _, err := r.in.Write(append(line, '\n')); {
	case err != nil, !r.answers.Scan():
		return a, fmt.Errorf("rig: %s: %w", q.Do, errors.Join(context.Cause(ctx), r.how()))
	}
	if err := json.Unmarshal(r.answers.Bytes(), &a); err != nil {
		return a, fmt.Errorf("rig: %s: answer %.200q: %w", q.Do, r.answers.Text(), err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("rig: %s", a.Error)
	}
	return a, nil
}

// how the program ended, which it has or is about to.
func (r *Rig) how() error {
	<-r.ended
	if r.err == nil {
		return errors.New("braid-rig has ended")
	}
	return r.err
}

// Addr is the target's address on a path.
func (r *Rig) Addr(path int) netip.AddrPort { return r.addrs[path] }

// Addrs are its addresses on all paths.
func (r *Rig) Addrs() []netip.AddrPort { return r.addrs }

// Cut waits until the namespace's path has so many commands in flight, and then
// makes the target drop it.
func (r *Rig) Cut(ctx context.Context, path int, uuid string, busy int) (Cut, error) {
	a, err := r.ask(ctx, request{Do: cut, Path: path, UUID: uuid, Busy: busy})
	if err != nil {
		return Cut{}, err
	}
	return *a.Cut, nil
}

// Unlink takes the target away from where a path would lead, if there is one.
func (r *Rig) Unlink(ctx context.Context, path int) error {
	_, err := r.ask(ctx, request{Do: unlink, Path: path})
	return err
}

// Repair undoes Cut and Unlink.
func (r *Rig) Repair(ctx context.Context, path int) error {
	_, err := r.ask(ctx, request{Do: repair, Path: path})
	return err
}

// Inject brings a fault of a path about.
func (r *Rig) Inject(ctx context.Context, path int, f rig.Fault) error {
	_, err := r.ask(ctx, request{Do: inject, Path: path, Fault: f})
	return err
}

// Clear undoes Inject.
func (r *Rig) Clear(ctx context.Context, path int, f rig.Fault) error {
	_, err := r.ask(ctx, request{Do: undo, Path: path, Fault: f})
	return err
}

// Suspend makes what is asked of a namespace wait, on whichever path it comes.
func (r *Rig) Suspend(ctx context.Context, namespace int) error {
	_, err := r.ask(ctx, request{Do: suspend, Namespace: namespace})
	return err
}

// Resume undoes Suspend.
func (r *Rig) Resume(ctx context.Context, namespace int) error {
	_, err := r.ask(ctx, request{Do: resume, Namespace: namespace})
	return err
}

// SetANAState sets the state that a path has for the namespaces of a group.
func (r *Rig) SetANAState(ctx context.Context, path int, group uint32, state nvmet.ANAState) error {
	_, err := r.ask(ctx, request{Do: setANA, Path: path, Group: group, State: string(state)})
	return err
}

// ErrNoHead is for a namespace that the node has no head of.
var ErrNoHead = errors.New("the node has no such namespace")

// Read is what the node's sysfs says of a namespace now.
func (r *Rig) Read(ctx context.Context, uuid string) (nvmehost.Reading, error) {
	a, err := r.ask(ctx, request{Do: read, UUID: uuid})
	switch {
	case err != nil:
		return nvmehost.Reading{}, err
	case a.NoHead:
		return nvmehost.Reading{}, fmt.Errorf("namespace %s: %w", uuid, ErrNoHead)
	}
	return *a.Reading, nil
}

// Tree is all that the node's sysfs has on NVMe, as package systree writes it.
func (r *Rig) Tree(ctx context.Context) (string, error) {
	a, err := r.ask(ctx, request{Do: capture})
	return a.Tree, err
}

// LeftOver is what is left of volumes on the node, empty if nothing is.
func (r *Rig) LeftOver(ctx context.Context, kubeletDir, stateDir string) (string, error) {
	a, err := r.ask(ctx, request{Do: empty, KubeletDir: kubeletDir, StateDir: stateDir})
	return strings.TrimSpace(a.LeftOver), err
}

// Crash ends braid-node, which must be one with fault points, before each of its
// side effects from now on, until Crashed returns those that were prevented.
func (r *Rig) Crash(ctx context.Context) error {
	_, err := r.ask(ctx, request{Do: crash})
	return err
}

// Crashed ends what Crash began.
func (r *Rig) Crashed(ctx context.Context) ([]string, error) {
	a, err := r.ask(ctx, request{Do: crashed})
	return a.Crashes, err
}

// Close takes the rig down.
func (r *Rig) Close() error {
	_ = r.in.Close()
	<-r.ended
	r.stop()
	if r.err != nil {
		return fmt.Errorf("taking the rig down: %w", r.err)
	}
	return nil
}
