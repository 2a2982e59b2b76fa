package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// state is the folder of one running cluster: etcd's data, keys, logs. Whoever
// holds its lock is alive; the folders of those that were killed are removed by
// the next one.
type state struct {
	dir  string
	lock *os.File
}

func newState(root string) (*state, error) {
	clusters := filepath.Join(root, "clusters")
	if err := os.MkdirAll(clusters, 0o755); err != nil {
		return nil, fmt.Errorf("state of the cluster: %w", err)
	}
	// Nobody may sweep a folder away that does not have its lock yet.
	unlock, err := lockFile(filepath.Join(clusters, ".lock"), syscall.LOCK_EX)
	if err != nil {
		return nil, fmt.Errorf("state of the cluster: %w", err)
	}
	defer unlock.Close()
	sweepStates(clusters)
	dir, err := os.MkdirTemp(clusters, "cluster-") // mode 0700: there are keys in it
	if err != nil {
		return nil, fmt.Errorf("state of the cluster: %w", err)
	}
	s := &state{dir: dir}
	if s.lock, err = lockState(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// remove ends the state. The lock goes last, or a sweep could meet us.
func (s *state) remove() error {
	defer s.lock.Close()
	return os.RemoveAll(s.dir)
}

// sweepStates removes what nobody holds.
func sweepStates(clusters string) {
	dirs, _ := filepath.Glob(filepath.Join(clusters, "cluster-*"))
	for _, dir := range dirs {
		if lock, err := lockState(dir); err == nil {
			_ = os.RemoveAll(dir) // in nobody's way
			lock.Close()
		}
	}
}

func lockState(dir string) (*os.File, error) {
	return lockFile(filepath.Join(dir, "lock"), syscall.LOCK_EX|syscall.LOCK_NB)
}

// lockFile locks a file until it is closed.
func lockFile(name string, how int) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	return f, nil
}

// path is a place in the state folder.
func (s *state) path(name ...string) string {
	return filepath.Join(append([]string{s.dir}, name...)...)
}

// write makes a file only root reads, and returns where it is.
func (s *state) write(name string, content []byte) (string, error) {
	to := s.path(name)
	return to, os.WriteFile(to, content, 0o600)
}
