package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/load"
)

// benchTime is how long each measurement takes.
const benchTime = 3 * time.Second

// BenchmarkUserspaceReads reads 4 KiB at random over the kernel's host and over
// ours, from the same target over the same two paths, and prints the ratio of
// their IOPS. The processors are emulated, and the target shares them: it shows
// an order, and no more.
func BenchmarkUserspaceReads(b *testing.B) {
	k := newKernelTarget(b, 0)
	kernels, _ := k.connect(b)
	o := newOurs(k.ctx, b, k.nqn, k.rig.Addrs(), nil)
	size, err := kernels.Size()
	must(b, err)
	b.ResetTimer()
	for range b.N {
		for _, depth := range []int{1, 8, 32, 128} {
			theirs, err := load.StartReads(kernels.Device(), depth)
			must(b, err)
			kernel := iops(b, theirs)
			ours := iops(b, load.StartReadsOn(headDisk{o.head, 0}, "our head", size, depth))
			b.Logf("QD %3d: kernel %6.0f IOPS, ours %6.0f IOPS, ours/kernel %.2f", depth, kernel, ours, ours/kernel)
			b.ReportMetric(ours/kernel, fmt.Sprintf("ours/kernel-QD%d", depth))
		}
	}
	b.ReportMetric(0, "ns/op") // it is a time that was chosen
}

// iops measures readers that have just been started, and ends them.
func iops(b *testing.B, r *load.Reads) float64 {
	b.Helper()
	began, before := time.Now(), r.Completed()
	<-time.After(benchTime)
	n, took := r.Completed()-before, time.Since(began)
	must(b, r.Stop())
	return float64(n) / took.Seconds()
}
