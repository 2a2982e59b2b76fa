package remote

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/nvmet"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/hack/systree"
)

// patience bounds a request: the client would rather hear what was waited for.
const patience = 30 * time.Second

// Serve builds the rig it is asked for and obeys until its input ends. Then it
// takes the rig down.
func Serve(in io.Reader, out io.Writer) error {
	s := &server{}
	lines := bufio.NewScanner(in)
	answers := json.NewEncoder(out)
	for lines.Scan() {
		if err := answers.Encode(s.obey(lines.Bytes())); err != nil {
			return errors.Join(err, s.close())
		}
	}
	return errors.Join(lines.Err(), s.close())
}

type server struct {
	rig   *rig.Rig
	crash *crasher
}

func (s *server) close() (err error) {
	if s.crash != nil {
		_, err = s.crash.end()
	}
	if s.rig != nil {
		err = errors.Join(err, s.rig.Close())
	}
	return err
}

func (s *server) obey(line []byte) answer {
	var r request
	if err := json.Unmarshal(line, &r); err != nil {
		return answer{Error: err.Error()}
	}
	a, err := s.do(r)
	if err != nil {
		return answer{Error: fmt.Sprintf("%s: %v", r.Do, err)}
	}
	return a
}

var errNoRig = errors.New("no rig was built")

func (s *server) do(r request) (a answer, err error) {
	switch r.Do {
	case build:
		if s.rig, err = rig.New(*r.Rig); err == nil {
			a.Addrs = s.rig.Addrs()
		}
		return a, err
	case read:
		return reading(r.UUID)
	case capture:
		a.Tree, err = tree()
		return a, err
	case empty:
		if left := check.NodeEmpty(r.KubeletDir, r.StateDir); left != nil {
			a.LeftOver = left.Error()
		}
		return a, nil
	case crash:
		s.crash, err = startCrasher()
		return a, err
	case crashed:
		if s.crash == nil {
			return a, errors.New("nothing is being crashed")
		}
		a.Crashes, err = s.crash.end()
		s.crash = nil
		return a, err
	}
	if s.rig == nil {
		return a, errNoRig
	}
	switch r.Do {
	case cut:
		a.Cut, err = s.cut(r)
		return a, err
	case unlink:
		return a, s.rig.Cut(r.Path)
	case repair:
		return a, s.rig.Repair(r.Path)
	case inject:
		return a, s.rig.Inject(r.Path, r.Fault)
	case undo:
		return a, s.rig.Clear(r.Path, r.Fault)
	case suspend:
		return a, s.rig.Suspend(r.Namespace)
	case resume:
		return a, s.rig.Resume(r.Namespace)
	case setANA:
		return a, s.rig.Ports[r.Path].SetANAState(r.Group, nvmet.ANAState(r.State))
	case move:
		err = s.rig.Move(r.Path)
		a.Addrs = s.rig.Addrs()
		return a, err
	}
	return a, fmt.Errorf("no such request")
}

// cut waits until the path is busy, and cuts it at once: a request from outside
// would come too late.
func (s *server) cut(r request) (*Cut, error) {
	way, err := s.way(r.UUID, r.Path)
	if err != nil {
		return nil, err
	}
	c := &Cut{Path: way.Path}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err = poll.Until(ctx, fmt.Sprintf("%d commands in flight on %s", r.Busy, c.Path), func() (_ bool, err error) {
		c.InFlight, err = c.Path.Inflight()
		return c.InFlight >= r.Busy, err
	})
	if err != nil {
		return nil, err
	}
	return c, s.rig.Cut(r.Path)
}

func (s *server) way(uuid string, path int) (nvmehost.Way, error) {
	reading, err := nvmehost.Read(uuid)
	if err != nil {
		return nvmehost.Way{}, err
	}
	way, ok := reading.Ways[s.rig.Addr(path)]
	if !ok {
		return way, fmt.Errorf("%s has no path to %s", reading.Head, s.rig.Addr(path))
	}
	return way, nil
}

// reading tells of a namespace, and that there is none apart from not being
// able to.
func reading(uuid string) (answer, error) {
	head, err := nvmehost.FindHead(uuid)
	if err != nil {
		return answer{}, err
	}
	if head.String() == "" {
		return answer{NoHead: true}, nil
	}
	r, err := nvmehost.Read(uuid)
	return answer{Reading: &r}, err
}

// tree is sysfs as package systree writes it.
func tree() (string, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "braid-rig-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "sys")
	if err := systree.Capture(file, systree.NVMe, unix.ByteSliceToString(uts.Release[:]), strings.Join(os.Args, " ")); err != nil {
		return "", err
	}
	b, err := os.ReadFile(file)
	return string(b), err
}
