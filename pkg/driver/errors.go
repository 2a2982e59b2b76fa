package driver

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/volume"
)

var (
	// errBadRequest: the request can never succeed as it is.
	errBadRequest = errors.New("bad request")
	// errBusy: another call for the volume is running.
	errBusy = errors.New("another call for the volume is running")
	// errNotFound: the volume is not where the request says.
	errNotFound = errors.New("volume not found")
	// errPrecondition: the volume is not in a state that allows the call.
	errPrecondition = errors.New("not possible now")
	// errOutOfRange: the device is larger than the request allows.
	errOutOfRange = errors.New("out of range")
	// errNotReady: nothing is known yet.
	errNotReady = errors.New("not ready")
	// errNotReported: the cluster could not be told about the volume.
	errNotReported = errors.New("the volume's paths could not be reported to the cluster")
)

// code returns the gRPC code of an error (CSI 1.13, Error Scheme and the
// tables of each call).
func code(err error) codes.Code {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case err == nil:
		return codes.OK
	case is(errBadRequest, volume.ErrUnsupported):
		return codes.InvalidArgument
	case is(multipath.ErrConflict, volume.ErrDifferent):
		return codes.AlreadyExists
	case is(errNotFound, multipath.ErrNoNamespace):
		return codes.NotFound
	case is(errNotReady, errNotReported, multipath.ErrNoPath):
		return codes.Unavailable
	case is(errOutOfRange):
		return codes.OutOfRange
	case is(errPrecondition, multipath.ErrNotStaged, multipath.ErrUnsupported, multipath.ErrBusy,
		volume.ErrForeignContent, volume.ErrEmptyReadOnly, volume.ErrOccupied,
		volume.ErrNotMounted, volume.ErrReadOnly):
		return codes.FailedPrecondition
	// Work that outlives its call is ErrBusy too: this call ran out of time,
	// the next one finds it busy.
	case is(context.DeadlineExceeded):
		return codes.DeadlineExceeded
	case is(context.Canceled):
		return codes.Canceled
	case is(errBusy, volume.ErrBusy):
		return codes.Aborted
	}
	return codes.Internal
}

// statusOf returns the error as gRPC has it. CSI wants a message and no
// details.
func statusOf(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err // gRPC's own, for a call that is not implemented
	}
	return status.Error(code(err), err.Error())
}
