package driver

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/klog/v2"
)

// errPanic: a handler panicked. It is a defect of Braid's.
var errPanic = errors.New("internal error")

// changes are the calls that change something; each is logged. The others
// come every minute for every volume.
var changes = map[string]bool{
	"NodeStageVolume":     true,
	"NodeUnstageVolume":   true,
	"NodePublishVolume":   true,
	"NodeUnpublishVolume": true,
	"NodeExpandVolume":    true,
}

// interceptors are what every call goes through.
func interceptors(logger klog.Logger) grpc.ServerOption {
	return grpc.ChainUnaryInterceptor(observe(logger), answerInTime, recoverPanic)
}

const (
	// callTimeout bounds a call whose caller would wait for longer, or for
	// ever. kubelet waits for two minutes.
	callTimeout = 100 * time.Second
	// mostHaste is the most by which a call ends before its caller's deadline.
	mostHaste = 5 * time.Second
)

// answerInTime ends a call's context a little before its caller stops waiting.
// Who waits for a device that hangs can then say what it could not do; all that
// the caller knows by itself is that time is up.
func answerInTime(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	limit := callTimeout
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		limit = min(limit, left-min(left/10, mostHaste))
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return handle(ctx, req)
}

// observe gives each call a logger, logs how it ended and turns its error into
// a gRPC status. Of the request, which may carry secrets, it logs the volume ID
// only; no error names a secret, for no call reads any.
func observe(logger klog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		method := path.Base(info.FullMethod)
		logger := logger.WithValues("method", method)
		if r, ok := req.(interface{ GetVolumeId() string }); ok {
			logger = logger.WithValues("volumeID", r.GetVolumeId())
		}
		started := time.Now()
		res, err := handle(klog.NewContext(ctx, logger), req)
		err = statusOf(err)
		took := time.Since(started).Round(time.Millisecond)

		switch c := status.Code(err); {
		case c == codes.OK && changes[method]:
			logger.Info("Call done", "duration", took)
		case c == codes.OK:
			logger.V(5).Info("Call done", "duration", took)
		case c == codes.Internal:
			logger.Error(err, "Call failed", "code", c.String(), "duration", took)
		default:
			logger.Info("Call refused", "code", c.String(), "duration", took, "reason", status.Convert(err).Message())
		}
		return res, err
	}
}

// recoverPanic turns a panic into an error: one broken call must not take the
// others' down, nor the paths' supervision.
func recoverPanic(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (res any, err error) {
	defer func() {
		if p := recover(); p != nil {
			klog.FromContext(ctx).Error(fmt.Errorf("panic: %v", p), "Call panicked", "stack", string(debug.Stack()))
			res, err = nil, errPanic
		}
	}()
	return handle(ctx, req)
}
