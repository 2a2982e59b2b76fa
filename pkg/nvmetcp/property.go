package nvmetcp

// Property is a property of a controller, by its offset (Base Specification
// 2.1, section 3.1.4).
type Property uint32

// The properties of fabrics controllers.
const (
	PropertyCAP  Property = 0x00
	PropertyVS   Property = 0x08
	PropertyCC   Property = 0x14
	PropertyCSTS Property = 0x1c
)

// Size is the size of the property in bytes, 0 if there is none at its offset.
func (p Property) Size() int {
	switch p {
	case PropertyCAP:
		return 8
	case PropertyVS, PropertyCC, PropertyCSTS:
		return 4
	}
	return 0
}

// SetPropertyGet makes c read a property.
func (c *Command) SetPropertyGet(p Property) {
	c.Opcode, c.NSID = Fabrics, uint32(PropertyGet)
	c.Dwords[0], c.Dwords[1] = propertySize(p), uint32(p)
}

// SetPropertySet makes c write a property.
func (c *Command) SetPropertySet(p Property, value uint64) {
	c.Opcode, c.NSID = Fabrics, uint32(PropertySet)
	c.Dwords[0], c.Dwords[1] = propertySize(p), uint32(p)
	c.Dwords[2], c.Dwords[3] = uint32(value), uint32(value>>32)
}

// propertySize is the size as the command has it.
func propertySize(p Property) uint32 {
	if p.Size() == 8 {
		return 1
	}
	return 0
}

// Property is the property that a Property Get or Set is about, with the value
// to set. ok is false if there is no such property of the size given.
func (c *Command) Property() (p Property, value uint64, ok bool) {
	p, value = Property(c.Dwords[1]), uint64(c.Dwords[2])|uint64(c.Dwords[3])<<32
	return p, value, p.Size() != 0 && c.Dwords[0]&7 == propertySize(p)
}

// Capabilities is the CAP property.
type Capabilities struct {
	// MaxQueueEntries is the size of the largest queue, 0-based (MQES).
	MaxQueueEntries uint16
	// Timeout is how long it may take until the controller is ready, in units
	// of 500 ms (TO).
	Timeout uint8
	// MinPageSize is the smallest memory page, as a power of two times 4 KiB
	// (MPSMIN). The unit of MDTS.
	MinPageSize uint8
}

const (
	capContiguous = 1 << 16 // CQR: always over fabrics
	capNVM        = 1 << 37 // CSS: the NVM command set
)

// Value is the property's value.
func (c Capabilities) Value() uint64 {
	return uint64(c.MaxQueueEntries) | capContiguous | uint64(c.Timeout)<<24 | capNVM | uint64(c.MinPageSize&15)<<48
}

// ParseCapabilities reads the CAP property.
func ParseCapabilities(v uint64) Capabilities {
	return Capabilities{MaxQueueEntries: uint16(v), Timeout: uint8(v >> 24), MinPageSize: uint8(v>>48) & 15}
}

// Configuration is the CC property.
type Configuration uint32

// The entry sizes that NVMe over Fabrics has, as powers of two in CC: 64 and
// 16 bytes.
const entrySizes = 6<<16 | 4<<20

// EnableConfiguration is the CC that starts a controller: NVM command set,
// pages of 4 KiB.
const EnableConfiguration Configuration = 1 | entrySizes

// ShutdownConfiguration is the CC that begins a normal shutdown.
const ShutdownConfiguration = EnableConfiguration | 1<<14

// Enabled tells whether the controller is to be enabled (EN).
func (c Configuration) Enabled() bool { return c&1 != 0 }

// Shutdown tells whether a shutdown is asked for (SHN).
func (c Configuration) Shutdown() bool { return c>>14&3 != 0 }

// Valid tells whether the controller can be enabled like this: a command set
// that contains NVM, pages of 4 KiB, round robin, entries of 64 and 16 bytes.
func (c Configuration) Valid() bool {
	css := c >> 4 & 7
	return (css == 0 || css == 6) && c>>7&15 == 0 && c>>11&7 == 0 && c&(0xff<<16) == entrySizes
}

// ControllerStatus is the CSTS property.
type ControllerStatus uint32

// The bits of CSTS.
const (
	ControllerReady    ControllerStatus = 1 << 0
	ControllerFatal    ControllerStatus = 1 << 1
	ControllerShutdown ControllerStatus = 2 << 2
)

// Version is the VS property: major, minor, tertiary.
type Version uint32

// Version14 is NVMe 1.4, the first with ANA and TBKAS as they are now.
const Version14 Version = 1<<16 | 4<<8
