package health

// Status is how bad a finding is. For volumes it mirrors CSI 1.13's
// VolumeHealthErrorType, for nodes its StorageHealthErrorType. DATA_LOSS is
// missing on purpose: a host cannot see it.
type Status string

// The statuses.
const (
	// Degraded: the volume works, less well or less safely than it should.
	Degraded Status = "Degraded"
	// Inaccessible: this node cannot read or write the volume now.
	Inaccessible Status = "Inaccessible"
	// StorageDegraded: some volume of the node has a finding.
	StorageDegraded Status = "StorageDegraded"
	// StorageUnreachable: no volume of the node has a usable path.
	StorageUnreachable Status = "StorageUnreachable"
)

// Reason is why, in a word that alerts and programs may rely on.
type Reason string

// The reasons of a volume's findings.
const (
	// NoUsablePath: no path is live and accessible.
	NoUsablePath Reason = "NoUsablePath"
	// DeviceVanished: the device that was staged is gone.
	DeviceVanished Reason = "DeviceVanished"
	// NamespaceIdentityChanged: the staged device is another namespace now.
	NamespaceIdentityChanged Reason = "NamespaceIdentityChanged"
	// PathRedundancyLost: one more fault makes the volume inaccessible,
	// though its paths were meant to stand it.
	PathRedundancyLost Reason = "PathRedundancyLost"
	// PathDown: an expected path is not usable.
	PathDown Reason = "PathDown"
	// PathUnresponsive: a path that carries no I/O is up, for all that the kernel
	// says, and gives no answer when it is asked for one.
	PathUnresponsive Reason = "PathUnresponsive"
	// NoOptimizedPath: I/O takes paths that the target calls non-optimized.
	NoOptimizedPath Reason = "NoOptimizedPath"
	// PathFlapping: I/O was moved away from a path again and again.
	PathFlapping Reason = "PathFlapping"
	// PathMarginal: a path is much slower than the others of the volume, or
	// loses much of what is sent.
	PathMarginal Reason = "PathMarginal"
	// DuplicateHostNQN: another node presents this node's host NQN, and targets
	// take both for one host. The cluster finds it: see Monitor.Told.
	DuplicateHostNQN Reason = "DuplicateHostNQN"
	// PathUnstable: the controller of a path reset or reconnected again and
	// again.
	PathUnstable Reason = "PathUnstable"
)

// Finding is one thing that is wrong, as CSI's VolumeHealthEntry has it.
type Finding struct {
	Status Status
	Reason Reason
	// Message explains it to a person: what, where and why, as it is now.
	Message string
}

// catalogue lists the reasons worst first, each with the status it has.
var catalogue = [...]struct {
	reason Reason
	status Status
}{
	{NoUsablePath, Inaccessible},
	{NamespaceIdentityChanged, Inaccessible},
	{DeviceVanished, Inaccessible},
	{PathRedundancyLost, Degraded},
	{PathDown, Degraded},
	{PathUnresponsive, Degraded},
	{NoOptimizedPath, Degraded},
	{PathFlapping, Degraded},
	{DuplicateHostNQN, Degraded},
	{PathUnstable, Degraded},
	{PathMarginal, Degraded},
}

// rank is the reason's place in the catalogue, its end for a foreign one.
func (r Reason) rank() int {
	for i := range catalogue {
		if catalogue[i].reason == r {
			return i
		}
	}
	return len(catalogue)
}

// rank orders statuses worst first; a foreign one has rank -1.
func (s Status) rank() int {
	switch s {
	case Inaccessible, StorageUnreachable:
		return 0
	case Degraded, StorageDegraded:
		return 1
	}
	return -1
}
