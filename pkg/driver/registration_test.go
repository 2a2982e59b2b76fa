package driver

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/testing/protocmp"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// registered is a driver that offers itself to kubelet.
type registered struct {
	kubelet registration.RegistrationClient
	socket  string
	log     *logLines
	stop    context.CancelFunc
	served  chan error
}

// offer offers a driver at the socket until the test ends, or stop is called.
func offer(t *testing.T, socket, endpoint string) *registered {
	t.Helper()
	r := &registered{socket: socket, log: new(logLines), served: make(chan error, 1)}
	ctx, stop := context.WithCancel(klog.NewContext(t.Context(), ktesting.NewLogger(r.log, ktesting.NewConfig())))
	r.stop = stop
	go func() {
		r.served <- new(Driver).ServeRegistration(ctx, socket, endpoint)
		close(r.served)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-r.served; err != nil {
			t.Errorf("ServeRegistration: %v", err)
		}
	})
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	r.kubelet = registration.NewRegistrationClient(conn)
	return r
}

// info asks as kubelet does, and waits for the socket.
func (r *registered) info(t *testing.T) *registration.PluginInfo {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	info, err := r.kubelet.GetInfo(ctx, &registration.InfoRequest{})
	if err != nil {
		t.Fatalf("GetInfo: %v\n%s", err, r.log)
	}
	return info
}

func (r *registered) notify(t *testing.T, status *registration.RegistrationStatus) {
	t.Helper()
	if _, err := r.kubelet.NotifyRegistrationStatus(t.Context(), status); err != nil {
		t.Fatalf("NotifyRegistrationStatus(%v): %v", status, err)
	}
}

func TestRegistration(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "csi.braid.dev-reg.sock")
	r := offer(t, socket, "unix:///var/lib/kubelet/plugins/csi.braid.dev/csi.sock")
	want := &registration.PluginInfo{
		Type: "CSIPlugin", Name: "csi.braid.dev", Endpoint: "/var/lib/kubelet/plugins/csi.braid.dev/csi.sock",
		SupportedVersions: []string{"1.0.0"},
	}
	if diff := cmp.Diff(want, r.info(t), protocmp.Transform()); diff != "" {
		t.Errorf("GetInfo (-want +got):\n%s", diff)
	}
	r.notify(t, &registration.RegistrationStatus{PluginRegistered: true})
	if log := r.log.String(); !strings.Contains(log, "Registered with kubelet") {
		t.Errorf("the log does not say so:\n%s", log)
	}

	r.stop()
	if err := <-r.served; err != nil {
		t.Errorf("ServeRegistration: %v", err)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket was left behind: %v", err)
	}
}

// A refusal is told and outlived: kubelet tries again by itself.
func TestRegistrationRefused(t *testing.T) {
	r := offer(t, filepath.Join(t.TempDir(), "reg.sock"), "/csi.sock")
	r.info(t)
	r.notify(t, &registration.RegistrationStatus{Error: "the API server is away"})
	if log := r.log.String(); !strings.Contains(log, "Kubelet refuses the driver") || !strings.Contains(log, "the API server is away") {
		t.Errorf("the log does not say why:\n%s", log)
	}
	r.info(t)
	r.notify(t, &registration.RegistrationStatus{PluginRegistered: true})
}

// Kubelet registers a driver anew when its socket is another file.
func TestRegistrationAfterRestart(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "reg.sock")
	stale, err := Listen(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Lstat(socket)
	if err != nil {
		t.Fatal(err)
	}
	// A hard link keeps the number of the inode from being used again.
	if err := os.Link(socket, socket+".kept"); err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}

	offer(t, socket, "/csi.sock").info(t)
	after, err := os.Lstat(socket)
	if err != nil {
		t.Fatal(err)
	}
	if os.SameFile(before, after) {
		t.Error("the socket of the process that was killed is still there")
	}
	if after.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket's mode is %v", after.Mode())
	}
}

func TestRegistrationCannotBegin(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for socket, want := range map[string]string{
		filepath.Join(dir, "none", "reg.sock"): "none is no directory; is this the root directory of kubelet",
		filepath.Join(file, "reg.sock"):        "file is no directory",
		file:                                   "not a socket",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		err := new(Driver).ServeRegistration(ctx, socket, "/csi.sock")
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", socket, err, want)
		}
	}
}
