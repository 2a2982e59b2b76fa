package native

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/pkg/multipath"
)

const (
	opcodeIdentify     = 0x06
	identifyController = 1    // CNS
	identifySize       = 4096 // NVM Express Base 2.0, figure 275
)

// Probe asks a controller to identify itself, 4 KiB of data, in a process of its
// own: the kernel waits for the answer as for any admin command, a minute, and
// resets the controller if none comes. What it returns waits for the answer no
// longer than limit, from when the controller was asked: multipath.ErrNoAnswer.
func (e *Engine) Probe(c multipath.Controller, limit time.Duration) (wait func(context.Context) error, err error) {
	w, err := e.writes.begin(c, "identify", func(inode uint64) (<-chan result, error) {
		return e.start(job{Identify: c.Name, Dev: e.dev, Inode: inode})
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		select {
		case <-w.begun:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		ctx, cancel := context.WithTimeoutCause(ctx, limit, multipath.ErrNoAnswer)
		defer cancel()
		return w.wait(ctx)
	}, nil
}

// identify has a controller identify itself, ENODEV if it is gone.
func (j job) identify() error {
	fd, err := j.openNode(j.Identify)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return identify(fd)
}

func identify(fd int) error {
	return passThrough(fd, ioctlAdmin, command{opcode: opcodeIdentify, cdw10: identifyController}, identifySize)
}
