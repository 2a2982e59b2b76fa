package e2e

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"

	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/rig"
)

// TestAttachBadInput stages what cannot be staged. Each must be refused with a
// code that tells a CO whether to try again and words that tell a person what
// to mend, and must leave nothing behind.
func TestAttachBadInput(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64})
	good := s.volume(0, "ext4")
	withMode := func(mode csi.VolumeCapability_AccessMode_Mode) node.Volume {
		v := good
		v.Mode = mode
		return v
	}
	address := s.addr(0).String()
	before := digest(t, s.rig.Device(0))
	for name, c := range map[string]struct {
		volume node.Volume
		code   codes.Code
		words  []string
	}{
		"NQN too long":         {good.With("subsystemNQN", "nqn.2026-11.test.braid:"+strings.Repeat("x", 201)), codes.InvalidArgument, []string{"subsystemNQN", "223"}},
		"NQN malformed":        {good.With("subsystemNQN", "iqn.2026-11.test.braid:x"), codes.InvalidArgument, []string{"subsystemNQN"}},
		"NQN with an option":   {good.With("subsystemNQN", "nqn.2026-11.test.braid:x,hostnqn=nqn.2026-11.evil:y"), codes.InvalidArgument, []string{"subsystemNQN", "comma"}},
		"NQN missing":          {good.Without("subsystemNQN"), codes.InvalidArgument, []string{"subsystemNQN", "missing"}},
		"address with option":  {good.With("addresses", address+",hostnqn=nqn.2026-11.evil:y"), codes.InvalidArgument, []string{"addresses", "hostnqn"}},
		"address with control": {good.With("addresses", address+"\n"+"192.0.2.3"), codes.InvalidArgument, []string{"addresses"}},
		"address is a name":    {good.With("addresses", "storage.example"), codes.InvalidArgument, []string{"addresses"}},
		"address twice":        {good.With("addresses", address+","+address), codes.InvalidArgument, []string{"addresses", "twice"}},
		"unknown key":          {good.With("ctrl_loss_tmo", "600"), codes.InvalidArgument, []string{"ctrl_loss_tmo"}},
		"no namespace":         {good.Without("namespaceUUID"), codes.InvalidArgument, []string{"namespaceUUID"}},
		"two namespaces":       {good.With("namespaceEUI64", "0102030405060708"), codes.InvalidArgument, []string{"namespaceEUI64"}},
		"minPaths too many":    {good.With("minPaths", "3"), codes.InvalidArgument, []string{"minPaths"}},
		"I/O policy":           {good.With("ioPolicy", "fastest"), codes.InvalidArgument, []string{"ioPolicy"}},
		"two writing nodes":    {withMode(csi.VolumeCapability_AccessMode_MULTI_NODE_SINGLE_WRITER), codes.InvalidArgument, []string{"access_mode"}},
		"ext4 on many nodes":   {withMode(csi.VolumeCapability_AccessMode_MULTI_NODE_MULTI_WRITER), codes.InvalidArgument, []string{"access_mode"}},
		"namespace elsewhere":  {good.With("namespaceUUID", uuid(7)), codes.NotFound, []string{uuid(7)}},
		"nobody listens":       {good.With("addresses", "192.0.2.2:4421"), codes.Unavailable, []string{"192.0.2.2:4421", "refused"}},
		"no such subsystem":    {good.With("subsystemNQN", "nqn.2026-11.test.braid:other"), codes.Unavailable, []string{address}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(s.ctx, 30*time.Second)
			defer cancel()
			wantCode(t, s.node.Stage(ctx, c.volume), c.code, c.words...)
			s.nothingLeft()
		})
	}
	if digest(t, s.rig.Device(0)) != before {
		t.Error("a request that was refused changed the device")
	}
}

// TestAttachForeignContent asks for another file system than is on the device:
// that one is somebody's data.
func TestAttachForeignContent(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64})
	v := s.volume(0, "ext4")
	s.attach(v)
	must(t, os.WriteFile(v.Target+"/kept", []byte("kept"), 0o600))
	s.detach(v)

	before := digest(t, s.rig.Device(0))
	other := v
	other.FSType = "xfs"
	wantCode(t, s.node.Stage(s.ctx, other), codes.FailedPrecondition, "ext4", "xfs")
	s.nothingLeft()
	if digest(t, s.rig.Device(0)) != before {
		t.Error("staging with the wrong file system changed the device")
	}

	s.attach(v)
	if b, err := os.ReadFile(v.Target + "/kept"); err != nil || string(b) != "kept" {
		t.Errorf("the file is %q, %v", b, err)
	}
	s.detach(v)
	s.ledgerLeft()
}

// TestAttachOccupiedPath stages a second volume where one is staged.
func TestAttachOccupiedPath(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64}, rig.Namespace{SizeMB: 64})
	first, second := s.volume(0, "ext4"), s.volume(1, "ext4")
	s.attach(first)
	intruder := second
	intruder.Staging = first.Staging
	wantCode(t, s.node.Stage(s.ctx, intruder), codes.FailedPrecondition, first.Staging)
	report, err := s.node.Report(s.ctx)
	must(t, err)
	if len(report.Volumes) != 1 || report.Volumes[0].ID != first.ID {
		t.Errorf("braid-node reports %+v, want the first volume alone", report.Volumes)
	}
	s.unharmed(s.write(first))
	s.detach(first)
	s.nothingLeft()
}

// digest is that of a device's whole content, past the cache.
func digest(t *testing.T, device string) [sha256.Size]byte {
	t.Helper()
	f, err := os.Open(device)
	must(t, err)
	defer f.Close()
	// The target writes past this cache, so it may be out of date.
	must(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
	h := sha256.New()
	_, err = io.Copy(h, f)
	must(t, err)
	return [sha256.Size]byte(h.Sum(nil))
}
