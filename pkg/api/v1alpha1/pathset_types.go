package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NVMePathSet reports by which paths one node reaches one volume, how they
// are, and what happened on them. It is written by the agent of that node
// alone, but for one condition, HostNQNUnique; it appears before the volume is
// mounted and goes after it has been unstaged.
//
// +genclient
// +genclient:nonNamespaced
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=nvps;pathset,categories=braid
// +kubebuilder:selectablefield:JSONPath=`.spec.nodeName`
// +kubebuilder:selectablefield:JSONPath=`.spec.volumeHandle`
// +kubebuilder:printcolumn:name="Node",type=string,JSONPath=`.spec.nodeName`
// +kubebuilder:printcolumn:name="Volume",type=string,JSONPath=`.spec.persistentVolumeName`
// +kubebuilder:printcolumn:name="Claim",type=string,JSONPath=`.spec.claimRef.name`,priority=1
// +kubebuilder:printcolumn:name="Paths",type=string,JSONPath=`.status.summary`
// +kubebuilder:printcolumn:name="Failovers",type=integer,JSONPath=`.status.failovers`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Device",type=string,JSONPath=`.status.device`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type NVMePathSet struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says which volume this is about and how the node should reach it.
	// +required
	Spec NVMePathSetSpec `json:"spec"`
	// status says how it does.
	// +optional
	Status NVMePathSetStatus `json:"status,omitzero"`
}

// NVMePathSetList is a list of path sets.
//
// +kubebuilder:object:root=true
type NVMePathSetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []NVMePathSet `json:"items"`
}

// NVMePathSetSpec is what the node was asked for when it staged the volume.
//
// +kubebuilder:validation:XValidation:rule="self.nodeName == oldSelf.nodeName",fieldPath=".nodeName",message="cannot change: another node has a path set of its own"
// +kubebuilder:validation:XValidation:rule="self.volumeHandle == oldSelf.volumeHandle",fieldPath=".volumeHandle",message="cannot change: another volume has a path set of its own"
type NVMePathSetSpec struct {
	// nodeName is the node that reaches the volume and reports here.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	NodeName string `json:"nodeName"`
	// volumeHandle is the volume's handle in CSI, spec.csi.volumeHandle of its
	// PersistentVolume.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	VolumeHandle string `json:"volumeHandle"`
	// persistentVolumeName is the PersistentVolume, if it is known.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PersistentVolumeName string `json:"persistentVolumeName,omitempty"`
	// claimRef is the claim that the PersistentVolume was bound to when it was
	// attached.
	// +optional
	ClaimRef *ClaimReference `json:"claimRef,omitempty"`
	// subsystemNQN is the NVMe qualified name of the volume's subsystem.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=223
	// +kubebuilder:validation:XValidation:rule="self.matches('^nqn[.][0-9]{4}-(0[1-9]|1[0-2])[.][A-Za-z0-9][A-Za-z0-9.-]*(:[^,\\\\p{Cc}\\\\p{Z}]+)?$')",message="must be of the form nqn.YYYY-MM.REVERSE.DOMAIN[:NAME]"
	SubsystemNQN string `json:"subsystemNQN"`
	// namespaceID is the identity of the volume's namespace.
	// +required
	NamespaceID NamespaceID `json:"namespaceID"`
	// addresses are the paths that the volume asks for, or to where they have
	// moved since, as transport://address:port.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[a-z]+://[^,\\\\p{Cc}\\\\p{Z}]+$')",message="must be of the form transport://address:port"
	Addresses []string `json:"addresses"`
}

// ClaimReference names a PersistentVolumeClaim.
type ClaimReference struct {
	// namespace is the claim's namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// name is the claim's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// uid tells it from another claim of that name, before or after it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid,omitempty"`
}

// NamespaceID is an NVMe namespace's identity, which holds on every path and
// after every reconnect, unlike its NSID.
//
// +kubebuilder:validation:XValidation:rule="self.value.matches({'uuid': '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', 'nguid': '^[0-9a-f]{32}$', 'eui64': '^[0-9a-f]{16}$'}[self.type])",fieldPath=".value",message="must be, in lower-case hexadecimal digits, 8-4-4-4-12 of them for a uuid, 32 for an nguid, 16 for an eui64"
type NamespaceID struct {
	// type says which of a namespace's identifiers it is.
	// +required
	// +kubebuilder:validation:Enum=uuid;nguid;eui64
	Type string `json:"type"`
	// value is the identifier in lower-case hexadecimal digits, a UUID's with
	// dashes.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Value string `json:"value"`
}

// NVMePathSetStatus is what the node sees.
type NVMePathSetStatus struct {
	// conditions say what is right and what is wrong: Ready, Available,
	// Redundant, Optimized, Stable, and the controller's HostNQNUnique. One
	// that is absent is unknown.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// summary is how many of the expected paths are usable, for people: "2/2".
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Summary string `json:"summary,omitempty"`
	// usablePaths is how many paths I/O can take now.
	// +optional
	// +kubebuilder:validation:Minimum=0
	UsablePaths int32 `json:"usablePaths"`
	// expectedPaths is how many paths the volume asks for.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ExpectedPaths int32 `json:"expectedPaths"`
	// failovers is how many requests were redirected away from any of the
	// paths since the counters were last reset. Absent where nothing counts.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Failovers *int64 `json:"failovers,omitempty"`
	// hostNQN is the host name that the node presents to the subsystem. Absent
	// while no controller is connected.
	// +optional
	// +kubebuilder:validation:MaxLength=223
	HostNQN string `json:"hostNQN,omitempty"`
	// hostID is the host identifier that goes with it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	HostID string `json:"hostID,omitempty"`
	// engine is what moves the I/O: native is the kernel's own multipathing.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Engine string `json:"engine,omitempty"`
	// device is the block device on the node, such as nvme0n1.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Device string `json:"device,omitempty"`
	// deviceState tells whether it is still the device that was staged:
	// Pending, Present, Vanished, IdentityChanged.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	DeviceState string `json:"deviceState,omitempty"`
	// ioPolicy is how the device chooses among its optimized paths.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	IOPolicy string `json:"ioPolicy,omitempty"`
	// paths are the expected paths in the volume's order, then those that
	// somebody else connected.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Paths []PathStatus `json:"paths,omitempty"`
	// requeues counts how often I/O was parked for want of a usable path.
	// +optional
	Requeues *Count `json:"requeues,omitempty"`
	// failures counts I/O that failed because no path could come back.
	// +optional
	Failures *Count `json:"failures,omitempty"`
	// lastReset is the newest reset of the counters.
	// +optional
	LastReset *ResetRecord `json:"lastReset,omitempty"`
	// countersObservedAt is when the counts here were read. They are written
	// at most every ten seconds, and not at all while nothing else changes.
	// +optional
	CountersObservedAt *metav1.Time `json:"countersObservedAt,omitempty"`
}

// PathStatus is one path of a path set, present or missing.
type PathStatus struct {
	// address is where the path leads, as transport://address:port, with the
	// host's end if it is bound to one. It is the same in metrics and records.
	// +required
	// +kubebuilder:validation:MaxLength=256
	Address string `json:"address"`
	// expected tells whether this is one of spec.addresses.
	// +required
	Expected bool `json:"expected"`
	// learnedFrom is the discovery controller that lists the address, where the
	// volume asks for another one that is listed no more.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	LearnedFrom string `json:"learnedFrom,omitempty"`
	// usable tells whether I/O can take it: its controller is live, and its
	// ANA state is optimized or non-optimized.
	// +required
	Usable bool `json:"usable"`
	// controller is the path's controller on the node, such as nvme0. Absent
	// while there is none.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Controller string `json:"controller,omitempty"`
	// controllerState is live, connecting, resetting and so on, as Linux says
	// it; absent where there is no controller.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	ControllerState string `json:"controllerState,omitempty"`
	// anaState is optimized, non-optimized, inaccessible, persistent-loss or
	// change; absent without ANA, and while the controller is not live.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	ANAState string `json:"anaState,omitempty"`
	// connectError is why the last attempt to connect failed.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	ConnectError string `json:"connectError,omitempty"`
	// benchedUntil is until when the path is kept out of use, for it was much
	// worse than the others. Absent where it is not.
	// +optional
	BenchedUntil *metav1.Time `json:"benchedUntil,omitempty"`
	// maintenance is what the node does about the path because its address is
	// worked on. Absent where it is not.
	// +optional
	Maintenance *PathMaintenance `json:"maintenance,omitempty"`
	// counterSource is where the path's counts come from: KernelAttribute, BPF
	// (Braid's own programs in the kernel), Both (the better of the two), or Unsupported where nothing on the node counts.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	CounterSource string `json:"counterSource,omitempty"`
	// counterSourceReason is why the counterSource is Unsupported.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	CounterSourceReason string `json:"counterSourceReason,omitempty"`
	// failovers counts requests that were redirected away from the path.
	// +optional
	Failovers *Count `json:"failovers,omitempty"`
	// retries counts requests that the path was asked again.
	// +optional
	Retries *Count `json:"retries,omitempty"`
	// errors counts requests that ended with an error on the path.
	// +optional
	Errors *Count `json:"errors,omitempty"`
	// resets counts resets of the controller, which other volumes share.
	// +optional
	Resets *Count `json:"resets,omitempty"`
	// reconnects counts attempts to connect the controller again.
	// +optional
	Reconnects *Count `json:"reconnects,omitempty"`
	// lastFailoverTime is when a request last failed over from the path.
	// +optional
	LastFailoverTime *metav1.Time `json:"lastFailoverTime,omitempty"`
	// countedSince is when the counts since the last reset began.
	// +optional
	CountedSince *metav1.Time `json:"countedSince,omitempty"`
	// exact is false where something may have been missed: then the counts
	// are lower bounds.
	// +optional
	Exact bool `json:"exact,omitempty"`
}

// Count is one counter.
type Count struct {
	// sinceReset counts since the last recorded reset.
	// +required
	// +kubebuilder:validation:Minimum=0
	SinceReset int64 `json:"sinceReset"`
	// lifetime counts all there ever were; it never goes back, and is a lower
	// bound.
	// +required
	// +kubebuilder:validation:Minimum=0
	Lifetime int64 `json:"lifetime"`
}

// ResetRecord says who reset the counters, when and why.
type ResetRecord struct {
	// id is the reset's in the node's ledger.
	// +required
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id"`
	// time is when it happened.
	// +required
	Time metav1.Time `json:"time"`
	// by is who asked for it.
	// +required
	// +kubebuilder:validation:MaxLength=512
	By string `json:"by"`
	// reason is why.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason"`
}
