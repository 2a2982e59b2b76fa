package volume

import "errors"

// The errors that callers tell apart; each is wrapped with what was seen.
var (
	// ErrBusy: an earlier operation on the path is still running, perhaps
	// because its device hangs. It ends by itself; trying again may help.
	ErrBusy = errors.New("an operation on the path is still running")
	// ErrUnsupported: the file system or mount option is not one that this
	// package works with.
	ErrUnsupported = errors.New("not supported")
	// ErrForeignContent: the device holds something else than the file system
	// asked for. It is left as it is.
	ErrForeignContent = errors.New("the device holds something else")
	// ErrEmptyReadOnly: there is no file system, and a volume that is only
	// read is never formatted.
	ErrEmptyReadOnly = errors.New("the device is empty and the volume is read-only")
	// ErrCorrupt: fsck found damage that it does not repair without being
	// told to.
	ErrCorrupt = errors.New("the file system is damaged")
	// ErrWrongDevice: the device node is not the device that was meant.
	ErrWrongDevice = errors.New("the device node is another device")
	// ErrOccupied: another device is mounted at the path, or something is in
	// the way of the mount point.
	ErrOccupied = errors.New("the path is occupied")
	// ErrDifferent: the device is at the path already, but as another file
	// system, raw instead of mounted, or with another read-only mode.
	ErrDifferent = errors.New("already there in another way")
	// ErrNotMounted: nothing is mounted at the path.
	ErrNotMounted = errors.New("nothing is mounted at the path")
	// ErrReadOnly: the file system or its device cannot be written to.
	ErrReadOnly = errors.New("read-only")
)
