package driver

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/kubernetes-csi/csi-test/v5/pkg/sanity"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/klog/v2"
)

// stubController creates volumes that exist only by their name: the suite for
// nodes cannot do without a controller service, and Braid has none.
type stubController struct {
	csi.UnimplementedControllerServer
	mu      sync.Mutex
	created int
}

func (c *stubController) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	return &csi.ControllerGetCapabilitiesResponse{}, nil
}

func (c *stubController) CreateVolume(context.Context, *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.created++
	attributes := goodContext()
	attributes["namespaceUUID"] = fmt.Sprintf("0c7f3a52-0000-4000-8000-%012d", c.created)
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId: fmt.Sprint(stubPrefix, c.created), VolumeContext: attributes, CapacityBytes: 10 * gib,
	}}, nil
}

func (c *stubController) DeleteVolume(context.Context, *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	return &csi.DeleteVolumeResponse{}, nil
}

func (c *stubController) ValidateVolumeCapabilities(_ context.Context, req *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	switch {
	case req.GetVolumeId() == "" || len(req.GetVolumeCapabilities()) == 0:
		return nil, status.Error(codes.InvalidArgument, "something is missing")
	case !strings.HasPrefix(req.GetVolumeId(), stubPrefix):
		return nil, status.Error(codes.NotFound, "no such volume")
	}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{
		VolumeCapabilities: req.GetVolumeCapabilities(),
	}}, nil
}

// stubIdentity is the driver's identity with a controller service.
type stubIdentity struct{ *Driver }

func (i stubIdentity) GetPluginCapabilities(ctx context.Context, req *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	res, err := i.Driver.GetPluginCapabilities(ctx, req)
	res.Capabilities = append(res.Capabilities, &csi.PluginCapability{Type: &csi.PluginCapability_Service_{
		Service: &csi.PluginCapability_Service{Type: csi.PluginCapability_Service_CONTROLLER_SERVICE},
	}})
	return res, err
}

// stubPrefix begins the IDs of the stub's volumes.
const stubPrefix = "sanity-"

// TestSanity runs csi-sanity. Ginkgo refuses -count of more than 1.
func TestSanity(t *testing.T) {
	r := newRig(t)
	address := filepath.Join(t.TempDir(), "sanity.sock")
	listener, err := net.Listen("unix", address)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(interceptors(klog.Background()))
	csi.RegisterIdentityServer(server, stubIdentity{r.driver})
	csi.RegisterNodeServer(server, r.driver)
	csi.RegisterControllerServer(server, &stubController{})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)

	config := sanity.NewTestConfig()
	config.Address = "unix:" + address
	config.StagingPath = filepath.Join(t.TempDir(), "staging")
	config.TargetPath = filepath.Join(t.TempDir(), "target")
	config.TestVolumeExpandSize = 10 * gib
	sanity.Test(t, config)
	if _, connected := r.paths.did(); connected > 0 || len(r.node.Mounts()) > 0 {
		t.Errorf("%d volumes are still connected, and mounted at %q", connected, r.node.Mounts())
	}
}
