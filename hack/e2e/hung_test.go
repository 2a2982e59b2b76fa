package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/rig"
)

const (
	// prompt is how soon a call must be answered that need not touch a device.
	prompt = 2 * time.Second
	// often is how often a kubelet that is told to try again does so here.
	often = 20
)

// TestHungStorage black-holes all paths under I/O. What does not need the
// device answers as ever; unstaging, which does, ends in time and says what it
// could not do; nothing piles up however often it is asked; and once the paths
// are back, everything that was written is there.
func TestHungStorage(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64}, rig.Namespace{SizeMB: 64})
	busy := s.volume(0, "ext4").With("keepAliveTimeout", "1s")
	dirty := s.volume(1, "ext4").With("keepAliveTimeout", "1s")
	s.attach(busy)
	s.attach(dirty)
	w := s.write(busy)

	// Its blocks are allocated, so that writing it needs no device for now.
	file, err := os.Create(filepath.Join(dirty.Target, "letter"))
	must(t, err)
	_, err = file.Write(make([]byte, len(letter)))
	must(t, errors.Join(err, file.Sync()))
	for _, p := range s.rig.Net.Paths {
		must(t, p.Cut())
	}
	// What is in memory and nowhere else has to be written before an unmount.
	_, err = file.WriteAt(letter, 0)
	must(t, errors.Join(err, file.Close()))
	s.waitFinding(busy, "INACCESSIBLE", "NoUsablePath")
	s.waitFinding(dirty, "INACCESSIBLE", "NoUsablePath")

	s.answers(busy)
	s.answers(dirty)
	s.promptly("NodeUnpublishVolume", func(ctx context.Context) error { return s.node.Unpublish(ctx, dirty) })
	s.unstageHangs(dirty)
	before := s.size()
	for range often {
		s.answers(busy)
		err := s.within(prompt, func(ctx context.Context) error { return s.node.Unstage(ctx, dirty) })
		wantCode(t, err, codes.Aborted, "still running")
	}
	s.notGrown(before)

	// A new braid-node finds the mount gone and the file system still there.
	must(t, s.node.Restart(s.ctx))
	s.waitFinding(busy, "INACCESSIBLE", "NoUsablePath")
	before = s.size()
	for range 3 {
		s.answers(busy)
		err := s.within(patience, func(ctx context.Context) error { return s.node.Unstage(ctx, dirty) })
		wantCode(t, err, codes.FailedPrecondition, "in use")
	}
	s.notGrown(before)

	for _, p := range s.rig.Net.Paths {
		must(t, p.Restore())
	}
	s.waitUsable(busy, 2)
	s.unharmed(w)
	s.until("unstaging", func() (bool, error) { return s.node.Unstage(s.ctx, dirty) == nil, nil })
	s.attach(dirty)
	have, err := os.ReadFile(filepath.Join(dirty.Target, "letter"))
	if err != nil || !bytes.Equal(have, letter) {
		t.Errorf("what was written while no path was there: %v, %d bytes; want %d", err, len(have), len(letter))
	}
	s.detach(dirty)
	s.detach(busy)
	s.nothingLeft()
}

// letter is as long as some pages are.
var letter = bytes.Repeat([]byte("written into the void"), 4096)

// answers wants everything that need not touch the device to answer promptly.
func (s *scene) answers(v node.Volume) {
	s.t.Helper()
	for what, call := range map[string]func(context.Context) error{
		"Probe":                func(ctx context.Context) error { _, err := s.node.Ready(ctx); return err },
		"NodeGetVolumeHealth":  func(ctx context.Context) error { _, err := s.node.VolumeHealth(ctx, v); return err },
		"NodeGetStorageHealth": func(ctx context.Context) error { _, err := s.node.StorageHealth(ctx); return err },
		"/healthz":             alive,
		"/metrics":             func(ctx context.Context) error { _, err := node.Metrics(ctx); return err },
	} {
		s.promptly(what, call)
	}
	if _, err := os.Lstat(v.Target); err != nil {
		return // unpublished
	}
	s.promptly("NodeGetVolumeStats", func(ctx context.Context) error { _, err := s.node.Stats(ctx, v); return err })
	s.promptly("NodePublishVolume", func(ctx context.Context) error { return s.node.Publish(ctx, v) })
}

// promptly wants a call to succeed promptly.
func (s *scene) promptly(what string, call func(context.Context) error) {
	s.t.Helper()
	if err := s.within(prompt, call); err != nil {
		s.t.Errorf("%s with all paths dead: %v", what, err)
	}
}

// within makes a call that ends in time: its context does.
func (s *scene) within(limit time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	return call(ctx)
}

// unstageHangs unstages a volume with a caller that has little patience: the
// answer must be there before it is gone, and say what is not done.
func (s *scene) unstageHangs(v node.Volume) {
	s.t.Helper()
	const limit = 10 * time.Second
	start := time.Now()
	err := s.within(limit, func(ctx context.Context) error { return s.node.Unstage(ctx, v) })
	s.t.Logf("unstaging was given up after %.1f s of %s: %s", time.Since(start).Seconds(), limit, status.Convert(err).Message())
	wantCode(s.t, err, codes.DeadlineExceeded, "not unmounted", v.Staging)
}

// size is how much braid-node consists of.
func (s *scene) size() (now node.Size) {
	s.t.Helper()
	// What was begun before this is over shortly: the smallest of some counts.
	for range 5 {
		is, err := s.node.Size(s.ctx)
		must(s.t, err)
		now = now.Smaller(is)
	}
	return now
}

// notGrown wants braid-node to be no larger than before. The runtime starts a
// thread now and then; had every call left one, there would be more.
func (s *scene) notGrown(before node.Size) {
	s.t.Helper()
	const slack = 4
	var now node.Size
	err := s.within(prompt*5, func(ctx context.Context) error {
		for {
			now = s.size()
			if now.Goroutines <= before.Goroutines+slack && now.Threads <= before.Threads+slack && now.Processes <= before.Processes {
				return nil
			}
			if ctx.Err() != nil {
				return errors.New("it has grown")
			}
		}
	})
	s.t.Logf("braid-node: %s before, %s after", before, now)
	if err != nil {
		s.t.Errorf("with a device that hangs something piles up: %s before, %s after", before, now)
	}
}
