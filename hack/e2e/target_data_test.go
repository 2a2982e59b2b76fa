package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target"
)

const direct = unix.O_DIRECT

// TestUserspaceTargetData writes, flushes, discards and zeroes through the
// kernel, with each combination of digests and both block sizes, over memory
// and over a file, and holds everything against a model.
func TestUserspaceTargetData(t *testing.T) {
	for _, tc := range []struct {
		name         string
		header, data bool
		blockSize    uint32
		file         bool
	}{
		{"plain", false, false, 512, false}, {"digests", true, true, 512, false},
		{"header-digest-4k-file", true, false, 4096, true}, {"data-digest-4k", false, true, 4096, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newTargetScene(t, func(cfg *target.Config) {
				n := &cfg.Subsystems[0].Namespaces[0]
				n.BlockSize = tc.blockSize
				if tc.file {
					n.File, n.Size = sparse(t, int64(n.Size)), 0
				}
			})
			s.connect(nvmehost.ConnectOptions{HeaderDigest: tc.header, DataDigest: tc.data})
			s.checkData()
			if n := s.counters(nvmehost.Errors); n != [2]uint64{} {
				t.Errorf("errors %v, want none", n)
			}
		})
	}
}

func sparse(t *testing.T, size int64) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(name)
	must(t, err)
	must(t, f.Truncate(size))
	must(t, f.Close())
	return name
}

// checkData does random things to the first MiBs of the head.
func (s *targetScene) checkData() {
	s.t.Helper()
	const size, step = 4 << 20, 4096
	disk := s.open()
	model, buf := make([]byte, size), aligned(s.t, size)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	s.t.Logf("seed %d", seed)
	for i := range 60 {
		offset := random.Int64N(size/step) * step
		length := min(step<<random.IntN(9), size-offset)
		part := model[offset : offset+length]
		var err error
		switch kind := random.IntN(4); kind {
		case 0, 1:
			for j := range part {
				part[j] = byte(i + j/512)
			}
			copy(buf, part)
			_, err = disk.WriteAt(buf[:length], offset)
		case 2:
			clear(part)
			err = blockIoctl(disk, unix.BLKZEROOUT, offset, length)
		case 3:
			clear(part)
			err = blockIoctl(disk, unix.BLKDISCARD, offset, length)
		}
		if err != nil {
			s.t.Fatalf("step %d, %d bytes at %d: %v", i, length, offset, err)
		}
		if i%10 == 0 {
			must(s.t, disk.Sync())
		}
	}
	_, err := disk.ReadAt(buf, 0)
	must(s.t, err)
	if !bytes.Equal(buf, model) {
		for i := range model {
			if buf[i] != model[i] {
				s.t.Fatalf("byte %d is 0x%02x, want 0x%02x", i, buf[i], model[i])
			}
		}
	}
	for field, want := range map[int]string{0: "reads", 4: "writes", 11: "discards"} {
		if s.stat(0, field) == 0 || s.stat(1, field) == 0 {
			s.t.Errorf("%s: %d on the first path, %d on the second; want some on each", want, s.stat(0, field), s.stat(1, field))
		}
	}
}

// stat is a field of a path's stat in sysfs (Documentation/block/stat.rst).
func (s *targetScene) stat(path, field int) uint64 {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.paths[path].Dir(), "stat"))
	must(s.t, err)
	n, err := strconv.ParseUint(strings.Fields(string(b))[field], 10, 64)
	must(s.t, err)
	return n
}

// blockIoctl discards or zeroes a range of a block device.
func blockIoctl(f *os.File, request uintptr, offset, length int64) error {
	r := [2]uint64{uint64(offset), uint64(length)}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(&r))); errno != 0 {
		return fmt.Errorf("ioctl 0x%x: %w", request, errno)
	}
	return nil
}

// aligned is memory that direct I/O takes.
func aligned(t testing.TB, n int) []byte {
	t.Helper()
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	must(t, err)
	cleanup(t, func() error { return unix.Munmap(b) })
	return b
}

// block is a block of one letter.
func block(t *testing.T, letter byte) []byte {
	t.Helper()
	b := aligned(t, 4096)
	for i := range b {
		b[i] = letter
	}
	return b
}

// TestUserspaceTargetDiscovery reads the discovery log by the kernel's own
// discovery controller.
func TestUserspaceTargetDiscovery(t *testing.T) {
	s := newTargetScene(t, nil)
	c := s.connectOne(1, nvmehost.ConnectOptions{NQN: string(nvmetcp.DiscoveryNQN)})
	f, err := os.Open("/dev/" + c.String())
	must(t, err)
	cleanup(t, f.Close)
	log := make([]byte, 4096)
	must(t, getLog(f, uint8(nvmetcp.LogDiscovery), log))
	_, n, err := nvmetcp.ParseDiscoveryHeader(log)
	must(t, err)
	if n != 2 {
		t.Fatalf("%d records, want one for each port", n)
	}
	for i := range int(n) {
		r, ok, err := nvmetcp.ParseDiscoveryRecord(log[(i+1)*nvmetcp.DiscoveryRecordSize:])
		must(t, err)
		want, err := s.target.Address(uint16(i + 1))
		must(t, err)
		t.Logf("%s at %s", r.SubsystemNQN, r.TransportID)
		if !ok || r.SubsystemNQN != nvme.NQN(s.nqn) || r.TransportID.Address() != want.String() {
			t.Errorf("record %d: %+v, want %s at %s", i+1, r, s.nqn, want)
		}
	}
}
