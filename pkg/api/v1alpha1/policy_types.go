package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NVMePathPolicy says for some volumes when a path counts as bad, and what
// their nodes may do about it by themselves. Every node's agent reads the
// policies and finds out for each of its path sets which of them hold; nobody
// writes into a policy but those whose it is.
//
// Its three sections are independent. For health and for remediation each path
// set goes by one policy, and takes the section whole from it: of those that
// select it and have the section, one with a selector comes before one without
// (a default), then the greater priority, then the first name in the alphabet.
// Where there is none, health is judged by the defaults given here, and nothing
// is done automatically. A suspension holds for all that its policy selects,
// whatever other policies say.
//
// +genclient
// +genclient:nonNamespaced
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=nvpp;pathpolicy,categories=braid
// +kubebuilder:printcolumn:name="Priority",type=integer,JSONPath=`.spec.priority`
// +kubebuilder:printcolumn:name="Flapping",type=integer,JSONPath=`.spec.health.flapping.episodes`,description="Episodes within the window that make a path flapping"
// +kubebuilder:printcolumn:name="Window",type=string,JSONPath=`.spec.health.flapping.window`
// +kubebuilder:printcolumn:name="Steps",type=string,JSONPath=`.spec.remediation.steps`
// +kubebuilder:printcolumn:name="Suspended",type=string,JSONPath=`.spec.suspension.reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type NVMePathPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is the policy.
	// +required
	Spec NVMePathPolicySpec `json:"spec"`
}

// NVMePathPolicyList is a list of policies.
//
// +kubebuilder:object:root=true
type NVMePathPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []NVMePathPolicy `json:"items"`
}

// NVMePathPolicySpec is a policy.
//
// +kubebuilder:validation:XValidation:rule="has(self.health) || has(self.remediation) || has(self.suspension)",message="says nothing: give it health, remediation or suspension"
type NVMePathPolicySpec struct {
	// selector says which path sets it is for; without one it is for all.
	// +optional
	Selector *PathSetSelector `json:"selector,omitempty"`
	// priority decides between policies that select the same path set: the
	// greater one comes first.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Priority int32 `json:"priority"`
	// suspension, while it is there, keeps nodes from doing anything by
	// themselves about what this policy selects: the off switch for a volume, a
	// node or everything. What people ask for is still done.
	// +optional
	Suspension *Suspension `json:"suspension,omitempty"`
	// health says when something counts as wrong.
	// +optional
	Health *HealthPolicy `json:"health,omitempty"`
	// remediation says what nodes may do about it by themselves.
	// +optional
	Remediation *RemediationPolicy `json:"remediation,omitempty"`
}

// PathSetSelector selects path sets: those for which all of its fields that are
// given hold.
//
// +kubebuilder:validation:MinProperties=1
type PathSetSelector struct {
	// storageClassNames has the PersistentVolume's StorageClass among them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	StorageClassNames []string `json:"storageClassNames,omitempty"`
	// volumeLabels are labels that the PersistentVolume has, all of them.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	VolumeLabels map[string]LabelValue `json:"volumeLabels,omitempty"`
	// persistentVolumeNames has the PersistentVolume's name among them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	PersistentVolumeNames []string `json:"persistentVolumeNames,omitempty"`
	// nodeNames has the node among them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	NodeNames []string `json:"nodeNames,omitempty"`
}

// LabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
type LabelValue string

// Suspension keeps nodes from acting by themselves.
type Suspension struct {
	// reason is why, for those who come across it: one line.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[\\\\p{L}\\\\p{M}\\\\p{N}\\\\p{P}\\\\p{S} ]*$') && self.matches('[^ ]')",message="must be one line of printable characters, and not blank"
	Reason string `json:"reason"`
	// addresses restrict it to paths that lead there, such as those through a
	// port that is being worked on, as transport://address:port. Without any it
	// holds for every path.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[a-z]+://[^,\\\\p{Cc}\\\\p{Z}]+$')",message="must be of the form transport://address:port"
	Addresses []string `json:"addresses,omitempty"`
}

// Duration is a time in whole hours, minutes, seconds and milliseconds, such as
// 1m30s. It is a text, so that one that cannot be read costs no more than itself.
//
// +kubebuilder:validation:MaxLength=16
type Duration string

// HealthPolicy says how quick and how strict the judgement is.
type HealthPolicy struct {
	// raiseAfter is for how long something must be wrong before it is said.
	// +optional
	// +kubebuilder:default="0s"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) <= duration('10m')",message="must be from 0s to 10m, such as 1m30s"
	RaiseAfter Duration `json:"raiseAfter,omitempty"`
	// clearAfter is for how long it must be right again before that is said. An
	// unavailable volume is available at once.
	// +optional
	// +kubebuilder:default="30s"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) <= duration('1h')",message="must be from 0s to 1h, such as 1m30s"
	ClearAfter Duration `json:"clearAfter,omitempty"`
	// connectGrace is for how long after staging began a path may still be on
	// its way up.
	// +optional
	// +kubebuilder:default="15s"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) <= duration('10m')",message="must be from 0s to 10m, such as 1m30s"
	ConnectGrace Duration `json:"connectGrace,omitempty"`
	// flapping is how often a path may fail over or be lost before it is called
	// flapping.
	// +optional
	// +kubebuilder:default={}
	Flapping *EpisodeThreshold `json:"flapping,omitempty"`
	// unstable is how often a path's controller may be reset or reconnected
	// before the path is called unstable.
	// +optional
	// +kubebuilder:default={}
	Unstable *EpisodeThreshold `json:"unstable,omitempty"`
}

// EpisodeThreshold is a number of episodes in a time. What happens in one go is
// one episode: a cut cable is one, however many requests fail over.
type EpisodeThreshold struct {
	// episodes is how many are too many.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=32
	Episodes *int32 `json:"episodes,omitempty"`
	// window is in what time.
	// +optional
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="must be from 1s to 24h, such as 10m or 1h30m"
	Window Duration `json:"window,omitempty"`
}

// RemediationPolicy says what nodes may do by themselves, and how often.
type RemediationPolicy struct {
	// steps are what may be done, in the order in which it is tried; none: do
	// nothing. A step that does not fit a fault is passed over. Whatever stands
	// here, a node never touches a path that is fine, a controller that Braid
	// did not connect, or the last usable path of any namespace.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=6
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, a == b))",message="each step may be given once"
	// +kubebuilder:validation:XValidation:rule="!self.exists(a, a == 'ResetCounters') || self[size(self) - 1] == 'ResetCounters'",message="ResetCounters comes last: it is for when the fault is over"
	Steps []RemediationAction `json:"steps"`
	// stabilizationWindow is for how long every path must have been usable,
	// with nothing happening on it, before the fault counts as over and
	// counters are reset.
	// +optional
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) >= duration('10s') && duration(self) <= duration('24h')",message="must be from 10s to 24h, such as 5m or 1h30m"
	StabilizationWindow Duration `json:"stabilizationWindow,omitempty"`
	// benchTime is for how long a path is benched. What was the matter is found
	// out anew when it is back.
	// +optional
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) >= duration('10s') && duration(self) <= duration('24h')",message="must be from 10s to 24h, such as 5m or 1h30m"
	BenchTime Duration `json:"benchTime,omitempty"`
	// backOff is the time between two steps on one controller.
	// +optional
	// +kubebuilder:default={}
	BackOff *BackOff `json:"backOff,omitempty"`
	// attempts is how many steps one controller may see in a time.
	// +optional
	// +kubebuilder:default={}
	Attempts *AttemptLimit `json:"attempts,omitempty"`
	// records is for how long what was done is kept.
	// +optional
	// +kubebuilder:default={}
	Records *RecordLimit `json:"records,omitempty"`
}

// BackOff is a time that doubles with every attempt.
//
// +kubebuilder:validation:XValidation:rule="!has(self.initial) || !has(self.max) || duration(self.initial) <= duration(self.max)",fieldPath=".max",message="must not be less than initial"
type BackOff struct {
	// initial is the time after the first attempt.
	// +optional
	// +kubebuilder:default="1m"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) >= duration('10s') && duration(self) <= duration('1h')",message="must be from 10s to 1h, such as 1m30s"
	Initial Duration `json:"initial,omitempty"`
	// max is the longest time.
	// +optional
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) >= duration('10s') && duration(self) <= duration('24h')",message="must be from 10s to 24h, such as 1h30m"
	Max Duration `json:"max,omitempty"`
}

// AttemptLimit is a number of attempts in a time.
type AttemptLimit struct {
	// max is how many there may be.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=20
	Max *int32 `json:"max,omitempty"`
	// window is in what time.
	// +optional
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="must be from 1m to 24h, such as 1h30m"
	Window Duration `json:"window,omitempty"`
}

// RecordLimit says which NVMePathRemediations of a path set that a policy asked
// for are kept: those that are over go when there are too many, or too old.
type RecordLimit struct {
	// max is how many are kept.
	// +optional
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Max *int32 `json:"max,omitempty"`
	// ttl is for how long one is kept.
	// +optional
	// +kubebuilder:default="168h"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) >= duration('1m') && duration(self) <= duration('8760h')",message="must be from 1m to 8760h, such as 168h"
	TTL Duration `json:"ttl,omitempty"`
}
