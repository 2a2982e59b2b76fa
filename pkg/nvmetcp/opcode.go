package nvmetcp

// Opcode says what a command does. Admin and I/O commands share numbers; the
// queue tells which is meant.
type Opcode uint8

// Fabrics is the opcode of all fabrics commands, on both kinds of queue.
const Fabrics Opcode = 0x7f

// Admin commands.
const (
	GetLogPage        Opcode = 0x02
	Identify          Opcode = 0x06
	Abort             Opcode = 0x08
	SetFeatures       Opcode = 0x09
	GetFeatures       Opcode = 0x0a
	AsyncEventRequest Opcode = 0x0c
	KeepAlive         Opcode = 0x18
)

// I/O commands of the NVM command set.
const (
	Flush             Opcode = 0x00
	Write             Opcode = 0x01
	Read              Opcode = 0x02
	Compare           Opcode = 0x05
	WriteZeroes       Opcode = 0x08
	DatasetManagement Opcode = 0x09
)

// FromHost tells whether the command has data that the host sends. For all
// commands but Fabrics the lowest two bits of the opcode say so.
func (o Opcode) FromHost() bool { return o&3 == 1 || o&3 == 3 }

// FabricsType is the type of a fabrics command (FCTYPE). It has the same bits
// for the direction of data.
type FabricsType uint8

// The fabrics commands.
const (
	PropertySet FabricsType = 0x00
	Connect     FabricsType = 0x01
	PropertyGet FabricsType = 0x04
	AuthSend    FabricsType = 0x05
	AuthReceive FabricsType = 0x06
	Disconnect  FabricsType = 0x08
)

// FabricsType is what kind of fabrics command c is.
func (c *Command) FabricsType() FabricsType { return FabricsType(c.NSID) }

// FeatureID names a feature (FID of Get and Set Features).
type FeatureID uint8

// The features that Braid knows.
const (
	FeatureVolatileWriteCache FeatureID = 0x06
	FeatureNumberOfQueues     FeatureID = 0x07
	FeatureAsyncEvents        FeatureID = 0x0b
	FeatureKeepAlive          FeatureID = 0x0f
)

// LogID names a log page (LID).
type LogID uint8

// The log pages that Braid knows.
const (
	LogErrors            LogID = 0x01
	LogHealth            LogID = 0x02
	LogFirmware          LogID = 0x03
	LogChangedNamespaces LogID = 0x04
	LogEffects           LogID = 0x05
	LogANA               LogID = 0x0c
	LogDiscovery         LogID = 0x70
)

// IdentifyID says what Identify returns (CNS).
type IdentifyID uint8

// The data structures of Identify that Braid knows.
const (
	IdentifyNamespaceID     IdentifyID = 0x00
	IdentifyControllerID    IdentifyID = 0x01
	IdentifyActiveID        IdentifyID = 0x02
	IdentifyDescriptorsID   IdentifyID = 0x03
	IdentifyCSINamespaceID  IdentifyID = 0x05
	IdentifyCSIControllerID IdentifyID = 0x06
)

// IdentifySize is the size of everything that Identify returns.
const IdentifySize = 4096

// ChangesData tells whether an I/O command changes what the namespace holds.
func (o Opcode) ChangesData() bool {
	switch o {
	case Write, WriteZeroes, DatasetManagement:
		return true
	}
	return false
}
