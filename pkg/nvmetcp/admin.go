package nvmetcp

// Feature is the feature that a Get or Set Features command is about.
func (c *Command) Feature() FeatureID { return FeatureID(c.Dwords[0]) }

// IdentifyWhat is what an Identify command asks for.
func (c *Command) IdentifyWhat() IdentifyID { return IdentifyID(c.Dwords[0]) }

// LogRequest is what a Get Log Page command asks for.
type LogRequest struct {
	Log LogID
	// Specific is the log's own parameter (LSP); for ANA, bit 0 leaves out the
	// namespaces.
	Specific uint8
	// Retain leaves the asynchronous event outstanding (RAE).
	Retain bool
	// Offset and Length are the part of the log, in bytes; Length is a multiple
	// of 4.
	Offset, Length uint64
}

// ANAGroupsOnly in LogRequest.Specific leaves out the namespaces of groups.
const ANAGroupsOnly = 1

// SetLog makes c ask for a log.
func (c *Command) SetLog(r LogRequest) {
	dwords := r.Length/4 - 1
	c.Dwords[0] = uint32(r.Log) | uint32(r.Specific&0x7f)<<8 | uint32(dwords&0xffff)<<16
	if r.Retain {
		c.Dwords[0] |= 1 << 15
	}
	c.Dwords[1] = uint32(dwords >> 16 & 0xffff)
	c.Dwords[2], c.Dwords[3] = uint32(r.Offset), uint32(r.Offset>>32)
}

// Log is what a Get Log Page command asks for.
func (c *Command) Log() LogRequest {
	return LogRequest{
		Log:      LogID(c.Dwords[0]),
		Specific: uint8(c.Dwords[0]>>8) & 0x7f,
		Retain:   c.Dwords[0]&(1<<15) != 0,
		Offset:   uint64(c.Dwords[2]) | uint64(c.Dwords[3])<<32,
		Length:   (uint64(c.Dwords[0]>>16) | uint64(c.Dwords[1]&0xffff)<<16 + 1) * 4,
	}
}

// EventType is the type of an asynchronous event.
type EventType uint8

// EventNotice is the type of the events that Braid knows.
const EventNotice EventType = 2

// EventInfo says which notice it is.
type EventInfo uint8

// The notices that Braid knows.
const (
	NamespacesChanged EventInfo = 0x00
	ANAChanged        EventInfo = 0x03
	DiscoveryChanged  EventInfo = 0xf0
)

// Bits of OAES, and of the feature that enables notices.
const (
	NoticeNamespaces = 1 << 8
	NoticeANA        = 1 << 11
	NoticeDiscovery  = 1 << 31
)

// Event is what the completion of an Asynchronous Event Request says in its
// result. The event is repeated no sooner than the log has been read.
type Event struct {
	Type EventType
	Info EventInfo
	Log  LogID
}

// Result is the event as the result of a completion.
func (e Event) Result() uint64 {
	return uint64(e.Type&7) | uint64(e.Info)<<8 | uint64(e.Log)<<16
}

// ParseEvent reads an event from the result of a completion.
func ParseEvent(result uint64) Event {
	return Event{Type: EventType(result) & 7, Info: EventInfo(result >> 8), Log: LogID(result >> 16)}
}
