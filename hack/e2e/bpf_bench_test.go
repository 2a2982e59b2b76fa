package e2e

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/guest"
	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/pkg/multipath/native/bpf"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/target"
)

const (
	// benchRounds is how often each measurement is made, by turns with the one it
	// is compared with.
	benchRounds = 4
	benchDepth  = 32
	// idleTime is for how long braid-node is watched doing nothing.
	idleTime = 15 * time.Second
)

// BenchmarkBPF reads 4 KiB at random without Braid's programs in the kernel and
// with them, and prints the ratios of IOPS and of processor time per read: where
// nothing fails over, and where every read of one path does.
func BenchmarkBPF(b *testing.B) {
	for _, tc := range []struct {
		name  string
		fault *target.Fault
	}{
		{"quiet", nil},
		{"storm", &target.Fault{Port: 1, Commands: target.Reads, Status: nvme.StatusControllerPathError}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			s := newTargetScene(b, nil)
			s.connect(nvmehost.ConnectOptions{})
			if tc.fault != nil {
				_, err := s.target.Inject(*tc.fault)
				must(b, err)
			}
			s.read(b) // the first is slower than the others
			b.ResetTimer()
			for range b.N {
				// Without them twice: how far two equal things are apart.
				var before, with, after reading
				for range benchRounds {
					alone(b, func() { before.add(s.read(b)) })
					counted(b, func() { with.add(s.read(b)) })
					alone(b, func() { after.add(s.read(b)) })
				}
				b.Logf("without: %s", before)
				b.Logf("with:    %s", with)
				b.Logf("without: %s", after)
				without := before
				without.add(after)
				b.ReportMetric(with.iops()/without.iops(), "IOPS-with/without")
				b.ReportMetric(with.cpu().Seconds()/without.cpu().Seconds(), "CPU/read-with/without")
				b.ReportMetric(after.iops()/before.iops(), "IOPS-without/without")
				b.ReportMetric(after.cpu().Seconds()/before.cpu().Seconds(), "CPU/read-without/without")
			}
			b.ReportMetric(0, "ns/op") // it is a time that was chosen
		})
	}
}

// alone calls f as counted does, with no program.
func alone(b *testing.B, f func()) {
	b.Helper()
	must(b, guest.Alone(func() error { return nil }))
	f()
	must(b, guest.Alone(func() error { return nil }))
}

// counted calls f while all of Braid's programs count.
func counted(b *testing.B, f func()) {
	b.Helper()
	var programs []io.Closer
	must(b, guest.Alone(func() error {
		for _, attach := range []func() (io.Closer, error){
			func() (io.Closer, error) { return bpf.Attach() },
			func() (io.Closer, error) { return bpf.AttachRetries() },
			func() (io.Closer, error) { return bpf.AttachErrors() },
			func() (io.Closer, error) { return bpf.AttachResets() },
		} {
			p, err := attach()
			if err != nil {
				return err
			}
			programs = append(programs, p)
		}
		return nil
	}))
	f()
	must(b, guest.Alone(func() error {
		var errs []error
		for _, p := range programs {
			errs = append(errs, p.Close())
		}
		return errors.Join(errs...)
	}))
}

// reading is what reading for a while came to.
type reading struct {
	reads      uint64
	took, busy time.Duration // busy is the processors' time, of everybody
}

func (r *reading) add(more reading) {
	r.reads, r.took, r.busy = r.reads+more.reads, r.took+more.took, r.busy+more.busy
}

func (r reading) iops() float64      { return float64(r.reads) / r.took.Seconds() }
func (r reading) cpu() time.Duration { return r.busy / time.Duration(max(r.reads, 1)) }

func (r reading) String() string {
	return fmt.Sprintf("%6.0f IOPS, %s of processor time per read", r.iops(), r.cpu())
}

func (s *targetScene) read(b *testing.B) reading {
	b.Helper()
	reads, err := load.StartReads(s.head.Device(), benchDepth)
	must(b, err)
	began, busy, before := time.Now(), busyTime(b), reads.Completed()
	<-time.After(benchTime)
	r := reading{reads: reads.Completed() - before, took: time.Since(began), busy: busyTime(b) - busy}
	must(b, reads.Stop())
	return r
}

// busyTime is for how long processors have worked.
func busyTime(b *testing.B) time.Duration {
	b.Helper()
	stat, err := os.ReadFile("/proc/stat")
	must(b, err)
	var user, nice, system, idle, wait, irq, softirq int64
	_, err = fmt.Sscanf(string(stat), "cpu %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &softirq)
	must(b, err)
	const tick = 10 * time.Millisecond
	return time.Duration(user+nice+system+irq+softirq) * tick
}

// BenchmarkBPFIdle has braid-node watch a volume to which nothing happens: by
// polling alone, with the programs beside it, and with polls that are rare
// because the programs tell of failovers. It prints the processor time it takes.
func BenchmarkBPFIdle(b *testing.B) {
	s := newTargetScene(b, nil)
	volume := s.volume()
	for range b.N {
		var polling time.Duration
		for _, tc := range []struct {
			name string
			cfg  node.Config
		}{
			{"polls", node.Config{}},
			{"polls+BPF", node.Config{BPF: true}},
			{"rare-polls+BPF", node.Config{BPF: true, PollInterval: 10 * time.Second}},
		} {
			tc.cfg.StateDir, tc.cfg.ClearAfter = "/var/lib/braid-idle-"+tc.name, clearAfter
			n, err := node.Start(s.ctx, tc.cfg)
			must(b, err)
			must(b, n.Stage(s.ctx, volume))
			before := runTime(b, n.PID())
			<-time.After(idleTime)
			took, memory := runTime(b, n.PID())-before, resident(b, n.PID())
			must(b, n.Unstage(s.ctx, volume))
			must(b, n.Close())
			if polling == 0 {
				polling = took
			}
			ratio := took.Seconds() / polling.Seconds()
			b.Logf("%-15s %s of processor time in %s, %.2f of that with polls alone; %d MiB of memory", tc.name, took, idleTime, ratio, memory>>20)
			b.ReportMetric(ratio, tc.name+"/polls")
		}
	}
	b.ReportMetric(0, "ns/op")
}

// runTime is for how long a process has run (Documentation/scheduler/sched-stats.rst).
func runTime(b *testing.B, pid int) (total time.Duration) {
	b.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	must(b, err)
	for _, file := range threads {
		stat, err := os.ReadFile(file)
		must(b, err)
		var ns int64
		_, err = fmt.Sscan(strings.Fields(string(stat))[0], &ns)
		must(b, err)
		total += time.Duration(ns)
	}
	return total
}

// resident is the memory that a process has (proc(5), statm).
func resident(b *testing.B, pid int) int64 {
	b.Helper()
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	must(b, err)
	var size, pages int64
	_, err = fmt.Sscan(string(statm), &size, &pages)
	must(b, err)
	return pages * int64(os.Getpagesize())
}
