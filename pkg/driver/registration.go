package driver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc"
	"k8s.io/klog/v2"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// csiVersion is what kubelet is told to speak. It tells 0.x from 1.x by it,
// and finds out all else from the driver's capabilities.
const csiVersion = "1.0.0"

// ServeRegistration tells kubelet, until the context ends, that the driver
// serves CSI at endpoint: a path as kubelet sees it, with or without "unix:"
// before it. It must be listened on by now, for kubelet calls at once.
//
// socket is where kubelet looks for plugins, a file in the folder
// plugins_registry of its root, which must exist. That the file appears
// registers the driver, also after a restart of either side; that it goes,
// when ServeRegistration returns, ends that.
func (d *Driver) ServeRegistration(ctx context.Context, socket, endpoint string) error {
	dir := filepath.Dir(socket)
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return fmt.Errorf("registration with kubelet: %s is no directory; is this the root directory of kubelet on this node?", dir)
	}
	listener, err := Listen(ctx, socket)
	if err != nil {
		return fmt.Errorf("registration with kubelet: %w", err)
	}
	logger := klog.FromContext(ctx)
	server := grpc.NewServer(interceptors(logger))
	registration.RegisterRegistrationServer(server, &registrar{endpoint: socketPath(endpoint)})
	defer context.AfterFunc(ctx, server.Stop)() // its calls are answered at once

	logger.Info("Offering the driver to kubelet", "driver", Name, "socket", socket, "endpoint", endpoint)
	if err := server.Serve(listener); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil // it was told to stop before it had begun
}

// registrar answers kubelet's plugin watcher.
type registrar struct {
	registration.UnimplementedRegistrationServer
	endpoint string
}

// GetInfo says what kind of plugin this is and where it serves.
func (r *registrar) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: Name, Endpoint: r.endpoint, SupportedVersions: []string{csiVersion},
	}, nil
}

// NotifyRegistrationStatus is told whether kubelet took the driver. If it did
// not, it tries again by itself, with back-off, for as long as the socket is
// there: it refuses when the API server is away, for instance, and watching
// paths must not stop for that.
func (r *registrar) NotifyRegistrationStatus(ctx context.Context, status *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	logger := klog.FromContext(ctx)
	if status.GetPluginRegistered() {
		logger.Info("Registered with kubelet", "driver", Name)
	} else {
		logger.Error(errors.New(status.GetError()), "Kubelet refuses the driver, and will try again", "driver", Name, "endpoint", r.endpoint)
	}
	return &registration.RegistrationStatusResponse{}, nil
}

// socketPath is the path of a unix socket that may be written as gRPC does.
func socketPath(endpoint string) string {
	return strings.TrimPrefix(strings.TrimPrefix(endpoint, "unix://"), "unix:")
}
