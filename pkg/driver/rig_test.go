package driver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"

	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/volume"
	"github.com/braid-csi/braid/pkg/volume/volumetest"
)

const gib = 1 << 30

// fakePaths connects volumes to devices of a fake node. Like the real layer it
// is idempotent and refuses a volume that is connected with other parameters.
type fakePaths struct {
	node *volumetest.Node
	// content is what new devices hold.
	content string
	// fail, if set, may fail a call: Ensure, Release or Rescan.
	fail func(call string) error

	mu        sync.Mutex
	devices   map[string]multipath.Device // by volume ID; they outlive a release
	connected map[string]multipath.Volume
	calls     []string
}

func newFakePaths(node *volumetest.Node) *fakePaths {
	return &fakePaths{node: node, devices: map[string]multipath.Device{}, connected: map[string]multipath.Volume{}}
}

func (f *fakePaths) record(call string, args ...any) error {
	f.calls = append(f.calls, strings.TrimSpace(call+" "+fmt.Sprintln(args...)))
	if f.fail != nil {
		return f.fail(call)
	}
	return nil
}

func (f *fakePaths) Ensure(_ context.Context, v multipath.Volume) (multipath.Device, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.record("Ensure", v.ID); err != nil {
		return multipath.Device{}, err
	}
	if have, ok := f.connected[v.ID]; ok && fmt.Sprint(have) != fmt.Sprint(v) {
		return multipath.Device{}, multipath.ErrConflict
	}
	if _, ok := f.devices[v.ID]; !ok {
		d := f.node.AddDevice(10*gib, f.content)
		f.devices[v.ID] = multipath.Device{State: multipath.DevicePresent, Path: d.Path, DevNum: d.DevNum, SizeBytes: 10 * gib}
	}
	f.connected[v.ID] = v
	return f.devices[v.ID], nil
}

func (f *fakePaths) Release(_ context.Context, id, devNum string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.record("Release", id, devNum); err != nil {
		return err
	}
	delete(f.connected, id)
	return nil
}

func (f *fakePaths) Serves(_ context.Context, v multipath.Volume, devNum string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.devices[v.ID].DevNum == devNum, nil
}

func (f *fakePaths) Rescan(_ context.Context, id, devNum string) (multipath.Device, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.record("Rescan", id, devNum); err != nil {
		return multipath.Device{}, err
	}
	d, ok := f.devices[id]
	if !ok {
		return d, multipath.ErrNotStaged
	}
	return d, nil
}

func (f *fakePaths) grow(id string, size int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.devices[id]
	d.SizeBytes = size
	f.devices[id] = d
	f.node.Resize(volume.Device{Path: d.Path, DevNum: d.DevNum}, size)
}

// did returns the calls so far, and how many volumes are connected.
func (f *fakePaths) did() (calls []string, connected int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls), len(f.connected)
}

// fakeHealth answers what it is told to.
type fakeHealth struct {
	notReady bool
	volumes  map[string][]health.Finding
	node     []health.Finding
}

func (f *fakeHealth) Ready() bool { return !f.notReady }

func (f *fakeHealth) Findings(id string) ([]health.Finding, bool) {
	found, known := f.volumes[id]
	return found, known
}

func (f *fakeHealth) NodeFindings() []health.Finding { return f.node }

// logLines keeps what is logged.
type logLines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logLines) Helper() {}

func (l *logLines) Log(args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(&l.text, args...)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// rig is a driver that serves on a unix socket, on a fake node, with clients.
type rig struct {
	csi.IdentityClient
	csi.NodeClient
	node    *volumetest.Node
	paths   *fakePaths
	health  *fakeHealth
	driver  *Driver
	address string
	staging string // an existing directory
	target  string // does not exist, its parent does
	log     *logLines
}

func newRig(t *testing.T) *rig {
	t.Helper()
	node := volumetest.New(t)
	r := &rig{node: node, paths: newFakePaths(node), health: &fakeHealth{}, log: new(logLines)}
	d, err := New(Config{
		NodeID: "node-1", Version: "v0.0.0-test",
		Paths: r.paths, Volumes: volume.New(node.System()), Health: r.health,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.driver = d
	dir := t.TempDir()
	r.staging, r.target = filepath.Join(dir, "staging"), filepath.Join(dir, "pod", "target")
	for _, d := range []string{r.staging, filepath.Dir(r.target)} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.address = filepath.Join(dir, "csi.sock")
	listener, err := Listen(t.Context(), "unix://"+r.address)
	if err != nil {
		t.Fatal(err)
	}
	r.serve(t, listener)
	conn, err := grpc.NewClient("unix:"+r.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	r.IdentityClient, r.NodeClient = csi.NewIdentityClient(conn), csi.NewNodeClient(conn)
	return r
}

// serve serves until the test ends.
func (r *rig) serve(t *testing.T, listener net.Listener) {
	t.Helper()
	logger := ktesting.NewLogger(r.log, ktesting.NewConfig(ktesting.Verbosity(9)))
	ctx, stop := context.WithCancel(klog.NewContext(t.Context(), logger))
	served := make(chan error, 1)
	go func() { served <- r.driver.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func mountCapability(fsType string, mode csi.VolumeCapability_AccessMode_Mode, flags ...string) *csi.VolumeCapability {
	return &csi.VolumeCapability{
		AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{FsType: fsType, MountFlags: flags}},
		AccessMode: &csi.VolumeCapability_AccessMode{Mode: mode},
	}
}

func blockCapability(mode csi.VolumeCapability_AccessMode_Mode) *csi.VolumeCapability {
	return &csi.VolumeCapability{
		AccessType: &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}},
		AccessMode: &csi.VolumeCapability_AccessMode{Mode: mode},
	}
}

const (
	writer      = csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER
	multiWriter = csi.VolumeCapability_AccessMode_SINGLE_NODE_MULTI_WRITER
	reader      = csi.VolumeCapability_AccessMode_MULTI_NODE_READER_ONLY
	shared      = csi.VolumeCapability_AccessMode_MULTI_NODE_MULTI_WRITER
)

// goodContext is a volume context with everything that is required.
func goodContext() map[string]string {
	return map[string]string{
		"subsystemNQN":  "nqn.2014-08.org.nvmexpress:uuid:12345678-0000-4000-8000-000000000001",
		"namespaceUUID": "0c7f3a52-0000-4000-8000-000000000001",
		"addresses":     "192.0.2.1:4420,[2001:db8::1]:4420",
	}
}

func (r *rig) stageRequest() *csi.NodeStageVolumeRequest {
	return &csi.NodeStageVolumeRequest{
		VolumeId: "vol-1", StagingTargetPath: r.staging,
		VolumeCapability: mountCapability("", writer), VolumeContext: goodContext(),
	}
}

func (r *rig) publishRequest() *csi.NodePublishVolumeRequest {
	return &csi.NodePublishVolumeRequest{
		VolumeId: "vol-1", StagingTargetPath: r.staging, TargetPath: r.target,
		VolumeCapability: mountCapability("", writer), VolumeContext: goodContext(),
	}
}

func (r *rig) unstageRequest() *csi.NodeUnstageVolumeRequest {
	return &csi.NodeUnstageVolumeRequest{VolumeId: "vol-1", StagingTargetPath: r.staging}
}

func (r *rig) unpublishRequest() *csi.NodeUnpublishVolumeRequest {
	return &csi.NodeUnpublishVolumeRequest{VolumeId: "vol-1", TargetPath: r.target}
}

// stage stages a volume and must succeed.
func (r *rig) stage(t *testing.T, c *csi.VolumeCapability) {
	t.Helper()
	req := r.stageRequest()
	req.VolumeCapability = c
	if _, err := r.NodeStageVolume(t.Context(), req); err != nil {
		t.Fatalf("NodeStageVolume: %v", err)
	}
}

// wantCode fails the test unless err has the code and its message all parts.
func wantCode(t *testing.T, call string, err error, want codes.Code, parts ...string) {
	t.Helper()
	s, ok := status.FromError(err)
	if !ok || s.Code() != want {
		t.Errorf("%s: %v, want code %s", call, err, want)
		return
	}
	for _, part := range parts {
		if !strings.Contains(s.Message(), part) {
			t.Errorf("%s: message %q does not have %q", call, s.Message(), part)
		}
	}
}

var errTest = errors.New("test failure")
