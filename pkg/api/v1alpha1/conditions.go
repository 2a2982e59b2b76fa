package v1alpha1

// The conditions of an NVMePathSet. Each is an observation; one that is absent
// is unknown. Reasons of those that are false are the reasons of Braid's
// findings: the same words as in CSI's volume health and in the metrics.
const (
	// ConditionReady sums all up: nothing is wrong with the path set.
	// While it is false the reason is that of the worst finding.
	ConditionReady = "Ready"
	// ConditionAvailable: I/O can reach the volume. False: NoUsablePath,
	// DeviceVanished, NamespaceIdentityChanged.
	ConditionAvailable = "Available"
	// ConditionRedundant: the volume has all the paths it asks for, and no one
	// fault takes all of them. False: PathRedundancyLost, PathDown,
	// PathUnresponsive, NoUsablePath, or Maintenance, which is no finding.
	ConditionRedundant = "Redundant"
	// ConditionOptimized: I/O takes paths that the target calls optimized.
	// False: NoOptimizedPath.
	ConditionOptimized = "Optimized"
	// ConditionStable: no path comes and goes, and none is much worse than the
	// others. False: PathFlapping, PathUnstable, PathMarginal.
	ConditionStable = "Stable"
	// ConditionHostNQNUnique: no other node presents this node's host NQN. It
	// is the one condition that the cluster's controller writes, and the node's
	// agent only reads. False: DuplicateHostNQN.
	ConditionHostNQNUnique = "HostNQNUnique"
)

// ConditionSucceeded of an NVMePathRemediation is true once all of its actions
// are done and the path that they were to mend has been usable and quiet for the
// stabilisation time. It is false if one of them failed or was refused, or the
// fault is still there (FaultPersists), and unknown before: Running, and
// Stabilizing while the path is to prove itself.
const ConditionSucceeded = "Succeeded"

// The conditions of an NVMePathMaintenance.
const (
	// ConditionDrained: no usable path of any volume leads to the address any
	// more, and every node that had one says that it keeps it so. True: Drained,
	// or NoPaths where none leads there. False: Draining, Refused, or Ended.
	ConditionDrained = "Drained"
	// ConditionReturned is absent until the end. It is false, Returning, until
	// every path to the address is usable again, and then stays true.
	ConditionReturned = "Returned"
)

// Reasons of the conditions of an NVMePathMaintenance.
const (
	// ReasonDrained: every path is down and kept so.
	ReasonDrained = "Drained"
	// ReasonNoPaths: no path of a volume leads to the address.
	ReasonNoPaths = "NoPaths"
	// ReasonDraining: not every node has done it yet, or said so.
	ReasonDraining = "Draining"
	// ReasonDrainRefused: a node does not take its paths down, for a namespace
	// depends on one of them.
	ReasonDrainRefused = "Refused"
	// ReasonEnded: it has ended, and paths are brought back.
	ReasonEnded = "Ended"
	// ReasonReturning: a path is not usable again yet.
	ReasonReturning = "Returning"
	// ReasonReturned: every path is usable again.
	ReasonReturned = "Returned"
)

// Reasons of conditions that are not those of a finding.
const (
	// ReasonHealthy: the condition is true, with nothing to say against it.
	ReasonHealthy = "Healthy"
	// ReasonDuplicateHostNQN: another node presents the same host NQN.
	ReasonDuplicateHostNQN = "DuplicateHostNQN"
	// ReasonStaging: the volume's device is not there yet.
	ReasonStaging = "Staging"
	// ReasonMaintenance: what is missing is being worked on.
	ReasonMaintenance = "Maintenance"
	// ReasonRunning: the node is working on the remediation.
	ReasonRunning = "Running"
	// ReasonDone: every action of the remediation is done.
	ReasonDone = "Done"
	// ReasonFailed: an action failed; its step says why.
	ReasonFailed = "ActionFailed"
	// ReasonRefused: an action was refused, and there is no word for why. Where
	// its step has a reason, that is the condition's too.
	ReasonRefused = "ActionRefused"
	// ReasonNotStaged: the path set is not on the node (any more).
	ReasonNotStaged = "PathSetNotFound"
)
