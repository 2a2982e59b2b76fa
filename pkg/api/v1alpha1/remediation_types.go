package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NVMePathRemediation asks the node of a path set to do something about it,
// and records what came of it: who asked, why, when, and how the counters
// stood before and after. It is carried out once; to do a thing again, make
// another one.
//
// +genclient
// +genclient:nonNamespaced
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=nvpr;remediation,categories=braid
// +kubebuilder:selectablefield:JSONPath=`.spec.nodeName`
// +kubebuilder:selectablefield:JSONPath=`.spec.pathSet`
// +kubebuilder:printcolumn:name="Path Set",type=string,JSONPath=`.spec.pathSet`
// +kubebuilder:printcolumn:name="Actions",type=string,JSONPath=`.spec.actions`
// +kubebuilder:printcolumn:name="Path",type=string,JSONPath=`.spec.path`,priority=1
// +kubebuilder:printcolumn:name="Requested By",type=string,JSONPath=`.spec.requestedBy`
// +kubebuilder:printcolumn:name="Policy",type=string,JSONPath=`.spec.policyName`,priority=1
// +kubebuilder:printcolumn:name="Succeeded",type=string,JSONPath=`.status.conditions[?(@.type=="Succeeded")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Succeeded")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.completionTime) || has(self.status) && self.status == oldSelf.status",fieldPath=".status",message="a record cannot be changed once it has a completionTime"
type NVMePathRemediation struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is the request. It cannot be changed.
	// +required
	Spec NVMePathRemediationSpec `json:"spec"`
	// status is the record, written by the node's agent.
	// +optional
	Status NVMePathRemediationStatus `json:"status,omitzero"`
}

// NVMePathRemediationList is a list of remediations.
//
// +kubebuilder:object:root=true
type NVMePathRemediationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []NVMePathRemediation `json:"items"`
}

// RemediationAction is one thing that a node can do about a path set.
//
// +kubebuilder:validation:Enum=Rescan;ResetController;KickConnection;Reconnect;Bench;ResetCounters
type RemediationAction string

// The actions.
const (
	// ActionRescan makes the kernel read the namespace anew on every live
	// controller, which mends stale sizes and missing paths.
	ActionRescan RemediationAction = "Rescan"
	// ActionResetController has the path's controller set up anew by the kernel,
	// where its connections still work: on a dead one that takes a minute in
	// which nothing gets better.
	ActionResetController RemediationAction = "ResetController"
	// ActionKickConnection ends the path's connections where they are dead, so
	// that I/O fails over at once and the kernel connects anew.
	ActionKickConnection RemediationAction = "KickConnection"
	// ActionReconnect takes the path's controller down while it is connecting
	// and nothing is in flight on it, and connects the address anew.
	ActionReconnect RemediationAction = "Reconnect"
	// ActionBench takes a path out of use for a while that is much slower than the
	// others, or loses much. The volume is the less redundant for it.
	ActionBench RemediationAction = "Bench"
	// ActionResetCounters zeroes the counters of the path set's paths and
	// device. Lifetime totals stay.
	ActionResetCounters RemediationAction = "ResetCounters"
)

// NVMePathRemediationSpec is a request.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a request cannot be changed: make another one"
// +kubebuilder:validation:XValidation:rule="has(self.path) || !self.actions.exists(a, a in ['ResetController', 'KickConnection', 'Reconnect', 'Bench'])",fieldPath=".path",message="ResetController, KickConnection, Reconnect and Bench are done to one path: say which"
type NVMePathRemediationSpec struct {
	// nodeName is the node that shall act: spec.nodeName of the path set.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	NodeName string `json:"nodeName"`
	// pathSet is the name of the NVMePathSet.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	PathSet string `json:"pathSet"`
	// path is the address of the path that this is about, as status.paths of the
	// path set has it. Its controller may carry other volumes too.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z]+://[^,\\\\p{Cc}\\\\p{Z}]+( from [^,\\\\p{Cc}\\\\p{Z}]+)?$')",message="must be an address as status.paths of the path set has it: transport://address:port, with the host's end if it is bound to one"
	Path string `json:"path,omitempty"`
	// actions are carried out in this order; the first that fails or is refused
	// ends it.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, a == b))",message="each action may be given once"
	Actions []RemediationAction `json:"actions"`
	// reason is why, for the record: one line.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[\\\\p{L}\\\\p{M}\\\\p{N}\\\\p{P}\\\\p{S} ]*$') && self.matches('[^ ]')",message="must be one line of printable characters, and not blank"
	Reason string `json:"reason"`
	// requestedBy is who asks: the user name by which the API server knows the
	// one who creates this object (kubectl auth whoami). An admission policy
	// refuses any other.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^[\\\\p{L}\\\\p{M}\\\\p{N}\\\\p{P}\\\\p{S} ]*$') && self.matches('[^ ]')",message="must be one line of printable characters, and not blank"
	RequestedBy string `json:"requestedBy"`
	// policyName is the NVMePathPolicy that a node's agent goes by when it asks
	// by itself: then requestedBy is the agent. Absent from what people ask for.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	PolicyName string `json:"policyName,omitempty"`
}

// NVMePathRemediationStatus is the record of what was done.
type NVMePathRemediationStatus struct {
	// conditions has one: Succeeded.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// startTime is when the node took it up. It is written before anything is
	// done, so that what was begun is known even if the node dies.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// completionTime is when the last action ended. Once it is there, nothing
	// in this record changes any more.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
	// steps are the actions with their outcome, in order.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Steps []RemediationStep `json:"steps,omitempty"`
	// resetID is the reset's in the node's ledger, if counters were reset.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ResetID string `json:"resetID,omitempty"`
	// counters are those that were reset, before and after.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=512
	Counters []CounterChange `json:"counters,omitempty"`
}

// RemediationStep is one action and what came of it.
type RemediationStep struct {
	// action is what was done.
	// +required
	Action RemediationAction `json:"action"`
	// outcome says how it ended, or that it has not.
	// +required
	// +kubebuilder:validation:Enum=Running;Done;Failed;Refused;Skipped
	Outcome StepOutcome `json:"outcome"`
	// reason is why it was refused or failed, in one word: LastUsablePath,
	// NotOurs, AlreadyFine and so on. Absent where there is no word for it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z]*$')",message="must be one word in CamelCase"
	Reason string `json:"reason,omitempty"`
	// startTime is when it was begun. It is written before, so that what was
	// begun is known even if the node dies.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// time is when it ended.
	// +optional
	Time *metav1.Time `json:"time,omitempty"`
	// requests name those that hung on the path when it was begun, in the node's
	// own words: nothing is done about the same ones twice.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Requests string `json:"requests,omitempty"`
	// message says more, such as why it failed.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// StepOutcome is how an action ended.
type StepOutcome string

// The outcomes.
const (
	// StepRunning: it was begun, or waits for the path to prove itself.
	StepRunning StepOutcome = "Running"
	StepDone    StepOutcome = "Done"
	StepFailed  StepOutcome = "Failed"
	// StepRefused: it was not begun, for it might have done harm or there was no
	// need.
	StepRefused StepOutcome = "Refused"
	// StepSkipped: an action before it failed or was refused.
	StepSkipped StepOutcome = "Skipped"
)

// CounterChange is what a reset did to one counter.
type CounterChange struct {
	// of is the path's address, or "head" for the device itself.
	// +required
	// +kubebuilder:validation:MaxLength=256
	Of string `json:"of"`
	// counter is its name: failovers, retries, errors, requeues, failures.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Counter string `json:"counter"`
	// before is what it had counted since the reset before.
	// +required
	// +kubebuilder:validation:Minimum=0
	Before int64 `json:"before"`
	// after is what it counted right after this one: 0, or what happened
	// within that moment.
	// +required
	// +kubebuilder:validation:Minimum=0
	After int64 `json:"after"`
	// lifetime is its total, which the reset has not changed.
	// +required
	// +kubebuilder:validation:Minimum=0
	Lifetime int64 `json:"lifetime"`
}
