package driver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"k8s.io/klog/v2"
)

// stopTimeout is how long calls may go on once the driver is told to stop.
// What they left in the kernel goes on by itself.
const stopTimeout = 10 * time.Second

// Listen listens on a unix socket that only root may use. endpoint is its
// path, with or without "unix:" before it; its directory is made. A socket
// that nobody serves any more is replaced; anything else in the way is an
// error.
func Listen(ctx context.Context, endpoint string) (net.Listener, error) {
	path := socketPath(endpoint)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// removeStale removes a socket that an earlier process left behind.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and not a socket", path)
	}
	if conn, err := new(net.Dialer).DialContext(ctx, "unix", path); err == nil {
		return errors.Join(fmt.Errorf("another process serves %s", path), conn.Close())
	}
	return os.Remove(path)
}

// Serve serves CSI on listener, which it closes, until the context ends. Calls
// that are running then get some time to finish.
func (d *Driver) Serve(ctx context.Context, listener net.Listener) error {
	logger := klog.FromContext(ctx)
	server := grpc.NewServer(interceptors(logger))
	csi.RegisterIdentityServer(server, d)
	csi.RegisterNodeServer(server, d)

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	logger.Info("Serving CSI", "driver", Name, "version", d.Version, "address", listener.Addr().String())
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	timer := time.AfterFunc(stopTimeout, server.Stop)
	defer timer.Stop()
	go server.GracefulStop()
	if err := <-served; !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil // it was told to stop before it had begun
}
