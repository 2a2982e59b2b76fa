package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/guest"
	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/pkg/admin"
	"github.com/braid-csi/braid/pkg/multipath/native"
	"github.com/braid-csi/braid/pkg/multipath/native/bpf"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/target"
)

// TestBPFErrorsAndRetries has the target answer a random number of reads on each
// path with an error that ends them, with one that has them sent again, until
// the kernel gives up, and with one that makes them fail over. Each answer is
// counted once: as an error, a retry or a failover of its path.
func TestBPFErrorsAndRetries(t *testing.T) {
	s := newTargetScene(t, nil)
	w := newRequestWitnesses(t)
	n, err := node.Start(s.ctx, node.Config{StateDir: "/var/lib/braid-requests", ClearAfter: clearAfter, BPF: true})
	must(t, err)
	cleanup(t, n.Close)
	v := s.volume()
	s.stage(n, v)
	disk := s.openDisk()
	reads := load.StartReadsOn(disk, s.head.Device(), 64<<20, 16)
	answered, ended := make([]uint64, 2), make([]uint64, 2)
	for path := range answered {
		final, again := 1+rand.Int64N(100), 100+rand.Int64N(500)
		s.inject(path, final, nvme.StatusReadFault|nvme.DNR)
		s.inject(path, again, nvme.StatusInternalError)
		answered[path], ended[path] = uint64(final+again)+s.failOver(path), uint64(final)
	}
	must(t, reads.Stop())
	got := s.requests(w)
	for path, c := range got {
		// A path error ends a request that was retried often enough before it.
		all := c[nvme.Errors] + c[nvme.Retries] + c[nvme.Failovers]
		if all != answered[path] || c[nvme.Errors] <= ended[path] || c[nvme.Retries] == 0 {
			t.Errorf("path %d: %v, of %d answers of which %d could not be retried", path+1, c, answered[path], ended[path])
		}
	}
	failed := disk.failed.Load()
	if errors := got[0][nvme.Errors] + got[1][nvme.Errors]; errors != failed {
		t.Errorf("%d errors counted, the readers had %d", errors, failed)
	}
	t.Logf("answered %v, %d reads failed: %v", answered, failed, got)
	s.reportsRequests(n, v, got)

	// A flush, and a write that the kernel may make a write and a flush of.
	disk = s.openDisk()
	for commands, do := range map[target.Commands]func() error{target.Flushes: disk.Sync, target.Writes: disk.writeThrough} {
		id, err := s.target.Inject(target.Fault{Commands: commands, Count: 1, Status: nvme.StatusWriteFault | nvme.DNR})
		must(t, err)
		if err := do(); err == nil || s.hits(id) != 1 {
			t.Errorf("%s: answered %d times with an error, ended with %v", commands, s.hits(id), err)
		}
		got = s.requests(w)
		failed++
		if errors := got[0][nvme.Errors] + got[1][nvme.Errors]; errors != failed {
			t.Errorf("%s: %d errors counted, there were %d", commands, errors, failed)
		}
	}
	must(t, disk.Close())

	// A journal's commit is a flush and then a write: it is one request, and one
	// error.
	failed += s.failCommit()
	got = s.requests(w)
	if errors := got[0][nvme.Errors] + got[1][nvme.Errors]; errors != failed {
		t.Errorf("with those of a file system: %d errors counted, there were %d", errors, failed)
	}
	s.reportsRequests(n, v, got)
	must(t, n.Unstage(s.ctx, v))
}

// failCommit has a file system end because nothing can be written, and returns
// how many writes the target refused.
func (s *targetScene) failCommit() uint64 {
	s.t.Helper()
	dir := s.t.TempDir()
	run := func(name string, args ...string) {
		s.t.Helper()
		if out, err := exec.CommandContext(s.ctx, name, args...).CombinedOutput(); err != nil {
			s.t.Fatalf("%s %s: %v\n%s", name, args, err, out)
		}
	}
	run("mke2fs", "-q", "-t", "ext4", s.head.Device())
	run("mount", s.head.Device(), dir)
	file, err := os.Create(filepath.Join(dir, "file"))
	must(s.t, err)
	id, err := s.target.Inject(target.Fault{Commands: target.Writes, Status: nvme.StatusWriteFault | nvme.DNR})
	must(s.t, err)
	if _, err := file.WriteString("what is lost"); err != nil || file.Sync() == nil {
		s.t.Errorf("written: %v; and synced, though the target refuses every write", err)
	}
	must(s.t, file.Close())
	run("umount", dir)
	refused := s.hits(id)
	must(s.t, s.target.Clear(id))
	s.t.Logf("the target refused %d writes of a file system", refused)
	return uint64(refused)
}

// disk is the namespace, for those who go on after an error.
type disk struct {
	*os.File
	failed atomic.Uint64
}

func (s *targetScene) openDisk() *disk {
	s.t.Helper()
	f, err := os.OpenFile(s.head.Device(), os.O_RDWR|unix.O_DIRECT, 0)
	must(s.t, err)
	return &disk{File: f}
}

// ReadAt only counts what fails.
func (d *disk) ReadAt(b []byte, offset int64) (int, error) {
	if _, err := d.File.ReadAt(b, offset); err != nil {
		d.failed.Add(1)
	}
	return len(b), nil
}

// writeThrough writes what must be on the medium when it returns.
func (d *disk) writeThrough() error {
	block, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("memory for a block: %w", err)
	}
	_, err = unix.Pwritev2(int(d.Fd()), [][]byte{block}, 0, unix.RWF_DSYNC)
	return errors.Join(err, unix.Munmap(block))
}

// requests waits until all witnesses agree, and returns what they say.
func (s *targetScene) requests(w *requestWitnesses) (got []nvme.Counters) {
	s.t.Helper()
	var differ error
	ctx, cancel := context.WithTimeout(s.ctx, noticed)
	defer cancel()
	if err := poll.Until(ctx, "all witnesses to agree", func() (bool, error) {
		got, differ = w.counts(s.paths)
		return differ == nil, nil
	}); err != nil {
		s.t.Fatal(errors.Join(err, differ))
	}
	return got
}

// reportsRequests waits until braid-node says the same.
func (s *targetScene) reportsRequests(n *node.Node, v node.Volume, want []nvme.Counters) {
	s.t.Helper()
	s.until("braid-node to report what became of requests", func() (bool, error) {
		report, err := n.Paths(s.ctx, v)
		agree := true
		for i, counters := range want {
			var p admin.Path
			if err == nil {
				p, err = check.PathOf(report, s.addr(i))
			}
			for c, count := range counters {
				have := p.Counts[c].SinceReset
				if have > count {
					return false, fmt.Errorf("%s: braid-node has %d %s, there were %d", p.Address, have, c, count)
				}
				agree = agree && have == count
			}
		}
		return agree, err
	})
}

// requestWitnesses count what becomes of requests side by side: Braid's programs,
// the kernel's tracer, and on kernels that have them the kernel's attributes.
type requestWitnesses struct {
	kernel   nvmehost.Features
	programs map[nvme.Counter]native.KernelCounter
	probe    nvmehost.Probe
}

func newRequestWitnesses(t *testing.T) *requestWitnesses {
	t.Helper()
	var w requestWitnesses
	var err error
	w.kernel, err = nvmehost.Kernel()
	must(t, err)
	must(t, guest.Alone(w.open))
	cleanup(t, func() error { return guest.Alone(w.close) })
	return &w
}

func (w *requestWitnesses) open() (err error) {
	w.programs = map[nvme.Counter]native.KernelCounter{}
	for c, attach := range map[nvme.Counter]func() (native.KernelCounter, error){
		nvme.Failovers: func() (native.KernelCounter, error) { return bpf.Attach() },
		nvme.Retries:   func() (native.KernelCounter, error) { return bpf.AttachRetries() },
		nvme.Errors:    func() (native.KernelCounter, error) { return bpf.AttachErrors() },
	} {
		if w.programs[c], err = attach(); err != nil {
			return err
		}
	}
	w.probe, err = nvmehost.ProbeCalls(nvmehost.RetryFunction)
	return err
}

func (w *requestWitnesses) close() error {
	err := w.probe.Close()
	for _, p := range w.programs {
		err = errors.Join(err, p.Close())
	}
	return err
}

// counts is what there was on each of the paths.
func (w *requestWitnesses) counts(paths []nvmehost.Path) ([]nvme.Counters, error) {
	all := make([]nvme.Counters, len(paths))
	var differ []error
	for c, f := range w.programs {
		got, total, err := onPaths(f, paths)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c, err)
		}
		for i, p := range paths {
			if all[i] == nil {
				all[i] = nvme.Counters{}
			}
			all[i][c] = got[i]
			differ = append(differ, w.attribute(p, c, got[i]))
		}
		if c != nvme.Retries {
			continue
		}
		hits, missed, err := w.probe.Counts()
		if err != nil {
			return nil, err
		}
		if missed != 0 || hits != total {
			differ = append(differ, fmt.Errorf("%d retries of all requests; the kernel's tracer has %d and missed %d", total, hits, missed))
		}
	}
	return all, errors.Join(differ...)
}

// attribute holds a count against the kernel's, if there is one.
func (w *requestWitnesses) attribute(p nvmehost.Path, c nvme.Counter, got uint64) error {
	if !w.kernel.Counters {
		return nil
	}
	n, err := p.Counter(map[nvme.Counter]string{
		nvme.Failovers: nvmehost.Failovers, nvme.Retries: nvmehost.Retries, nvme.Errors: nvmehost.Errors,
	}[c])
	if err == nil && n != got {
		err = fmt.Errorf("%s, %s: BPF counted %d, the kernel's attribute %d", p, c, got, n)
	}
	return err
}
