package nvme

import (
	"fmt"
	"strconv"
)

// Status is the status of a completed command: status code, status code type
// and the flags beside them, without the phase bit. It is the number that the
// kernel prints and compares (NVM Express Base Specification 2.1, section
// 4.2.3; include/linux/nvme.h).
//
//	 14   13  12 11  10     8  7          0
//	+----+---+-----+---------+-------------+
//	|DNR | M | CRD |   SCT   |     SC      |
//	+----+---+-----+---------+-------------+
type Status uint16

// Statuses of the generic type.
const (
	StatusSuccess              Status = 0x000
	StatusInvalidOpcode        Status = 0x001
	StatusInvalidField         Status = 0x002
	StatusCommandIDConflict    Status = 0x003
	StatusDataTransferError    Status = 0x004
	StatusInternalError        Status = 0x006
	StatusAbortRequested       Status = 0x007
	StatusAbortedSQDeletion    Status = 0x008
	StatusInvalidNamespace     Status = 0x00b
	StatusTransientTransport   Status = 0x022
	StatusCommandSequenceError Status = 0x00c
	StatusSGLDataLengthInvalid Status = 0x00f
	StatusSGLTypeInvalid       Status = 0x011
	StatusLBAOutOfRange        Status = 0x080
	StatusNamespaceNotReady    Status = 0x082
)

// Statuses that are specific to a command.
const (
	StatusInvalidQueueID           Status = 0x101
	StatusAbortLimitExceeded       Status = 0x103
	StatusAsyncEventLimitExceeded  Status = 0x105
	StatusInvalidLogPage           Status = 0x109
	StatusFeatureNotChangeable     Status = 0x10e
	StatusConnectIncompatible      Status = 0x180
	StatusConnectControllerBusy    Status = 0x181
	StatusConnectInvalidParameters Status = 0x182
	StatusConnectInvalidHost       Status = 0x184
	StatusAuthenticationRequired   Status = 0x191
)

// Statuses of the media.
const (
	StatusWriteFault     Status = 0x280
	StatusReadFault      Status = 0x281
	StatusCompareFailure Status = 0x285
)

// Statuses of the path: the command may succeed on another one.
const (
	StatusInternalPathError   Status = 0x300
	StatusANAPersistentLoss   Status = 0x301
	StatusANAInaccessible     Status = 0x302
	StatusANATransition       Status = 0x303
	StatusControllerPathError Status = 0x360
	StatusHostPathError       Status = 0x370
	StatusHostAborted         Status = 0x371
)

// Flags of a status.
const (
	// More says that the error log has more about this error.
	More Status = 1 << 13
	// DNR (do not retry) says that the same command will fail again.
	DNR Status = 1 << 14
)

const (
	codeMask Status = 0x7ff
	typeMask Status = 0x700
	crdShift        = 11
)

// Code is the status without its flags, which is what to compare.
func (s Status) Code() Status { return s & codeMask }

// DoNotRetry tells whether the same command would fail again.
func (s Status) DoNotRetry() bool { return s&DNR != 0 }

// CRD is which of the controller's command retry delays (1 to 3) to wait
// before a retry; 0 is none.
func (s Status) CRD() int { return int(s>>crdShift) & 3 }

// PathError tells whether the path is to blame, so that another one may work
// (drivers/nvme/host/nvme.h, nvme_is_path_error).
func (s Status) PathError() bool { return s&typeMask == 0x300 }

// ANAError tells whether the ANA state forbade the command: the host must read
// the ANA log before it uses the path again (nvme_is_ana_error).
func (s Status) ANAError() bool {
	switch s.Code() {
	case StatusANAPersistentLoss, StatusANAInaccessible, StatusANATransition:
		return true
	}
	return false
}

// statusNames has the statuses that people meet.
var statusNames = map[Status]string{
	StatusSuccess: "success", StatusInvalidOpcode: "invalid opcode", StatusInvalidField: "invalid field",
	StatusCommandIDConflict: "command ID conflict", StatusDataTransferError: "data transfer error",
	StatusInternalError: "internal error", StatusTransientTransport: "transient transport error", StatusAbortRequested: "abort requested", StatusAbortedSQDeletion: "aborted, queue deleted",
	StatusInvalidNamespace: "invalid namespace", StatusCommandSequenceError: "command sequence error",
	StatusSGLDataLengthInvalid: "data SGL length invalid", StatusSGLTypeInvalid: "SGL descriptor type invalid",
	StatusNamespaceNotReady: "namespace not ready", StatusInvalidQueueID: "invalid queue ID",
	StatusAbortLimitExceeded: "abort limit exceeded", StatusAsyncEventLimitExceeded: "asynchronous event request limit exceeded",
	StatusInvalidLogPage: "invalid log page", StatusFeatureNotChangeable: "feature not changeable",
	StatusConnectIncompatible: "connect: incompatible format", StatusConnectControllerBusy: "connect: controller busy",
	StatusConnectInvalidParameters: "connect: invalid parameters", StatusConnectInvalidHost: "connect: invalid host",
	StatusAuthenticationRequired: "authentication required", StatusWriteFault: "write fault", StatusReadFault: "unrecovered read error",
	StatusCompareFailure: "compare failure", StatusInternalPathError: "internal path error",
	StatusANAPersistentLoss: "ANA persistent loss", StatusANAInaccessible: "ANA inaccessible", StatusANATransition: "ANA transition",
	StatusControllerPathError: "controller path error", StatusHostPathError: "host path error", StatusHostAborted: "aborted by host",
}

// String returns the number and, where it is known, the meaning, for instance
// "0x4302 (ANA inaccessible, do not retry)".
func (s Status) String() string {
	name, ok := statusNames[s.Code()]
	if !ok {
		name = "unknown"
	}
	if s.DoNotRetry() {
		name += ", do not retry"
	}
	return fmt.Sprintf("0x%03x (%s)", uint16(s), name)
}

// MarshalText writes the number, for instance "0x302".
func (s Status) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "0x%03x", uint16(s)), nil }

// UnmarshalText reads a number of at most 15 bits, also in hexadecimal.
func (s *Status) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 0, 15)
	if err != nil {
		return fmt.Errorf("%q is not a status such as 0x302", b)
	}
	*s = Status(n)
	return nil
}
