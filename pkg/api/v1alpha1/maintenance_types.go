package v1alpha1

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NVMePathMaintenance takes an address of targets, such as a port, out of use
// while it is worked on: every node takes its paths there down while they still
// answer, so that no request fails over, keeps them away without calling them
// lost, and brings them back at the end. No path is taken from a namespace that
// has no other one: such a node refuses, says so, and tries again.
//
//	created --> Drained=False --> Drained=True     the work can begin
//	               Draining           |
//	               Refused            | ended is set, or duration is over
//	                                  v
//	            Returned=True <-- Returned=False
//	            every path is usable again: the record is complete
//
// To delete it is to end it, too, but leaves no record of the return. While the
// API server is away, nodes end it by themselves when its duration is over.
//
// +genclient
// +genclient:nonNamespaced
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=nvpm;maintenance,categories=braid
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.spec.address`
// +kubebuilder:printcolumn:name="Paths",type=integer,JSONPath=`.status.paths`
// +kubebuilder:printcolumn:name="Drained",type=string,JSONPath=`.status.conditions[?(@.type=="Drained")].status`
// +kubebuilder:printcolumn:name="Refused",type=integer,JSONPath=`.status.refusedPaths`
// +kubebuilder:printcolumn:name="Returned",type=string,JSONPath=`.status.conditions[?(@.type=="Returned")].status`
// +kubebuilder:printcolumn:name="Until",type=string,JSONPath=`.status.until`
// +kubebuilder:printcolumn:name="Requested By",type=string,JSONPath=`.spec.requestedBy`,priority=1
// +kubebuilder:printcolumn:name="Why",type=string,JSONPath=`.spec.reason`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type NVMePathMaintenance struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is the request. Of it only ended can be changed.
	// +required
	Spec NVMePathMaintenanceSpec `json:"spec"`
	// status is what the nodes say of it, summed up by the cluster's controller.
	// +optional
	Status NVMePathMaintenanceStatus `json:"status,omitzero"`
}

// NVMePathMaintenanceList is a list of maintenances.
//
// +kubebuilder:object:root=true
type NVMePathMaintenanceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []NVMePathMaintenance `json:"items"`
}

// NVMePathMaintenanceSpec is a request. Several may name one address: it is
// under maintenance until the last of them has ended, so that one which takes
// longer than was thought is prolonged by another.
//
// +kubebuilder:validation:XValidation:rule="self.address == oldSelf.address && self.reason == oldSelf.reason && self.duration == oldSelf.duration && self.requestedBy == oldSelf.requestedBy && has(self.nodeNames) == has(oldSelf.nodeNames) && (!has(self.nodeNames) || self.nodeNames == oldSelf.nodeNames)",message="only ended can be changed: make another one"
// +kubebuilder:validation:XValidation:rule="!oldSelf.ended || self.ended",fieldPath=".ended",message="what has ended does not go on: make another one"
type NVMePathMaintenanceSpec struct {
	// address is the target's, as transport://address:port. Whatever the host's
	// end of a path is bound to, it leads there.
	// +required
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^tcp://([0-9.]+|[[][0-9A-Fa-f]*:[0-9A-Fa-f:.]*[]]):[1-9][0-9]{0,4}$') && int(self.substring(self.lastIndexOf(':') + 1)) < 65536 && isIP(self.substring(6, self.lastIndexOf(':')).replace('[', '').replace(']', '')) && ip.isCanonical(self.substring(6, self.lastIndexOf(':')).replace('[', '').replace(']', ''))",message="must be tcp://ADDRESS:PORT with an IP address in its shortest form, an IPv6 one in brackets"
	Address string `json:"address"`
	// reason is why, for those who come across it: one line.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[\\\\p{L}\\\\p{M}\\\\p{N}\\\\p{P}\\\\p{S} ]*$') && self.matches('[^ ]')",message="must be one line of printable characters, and not blank"
	Reason string `json:"reason"`
	// duration is for how long it may go on from its creation: then paths are
	// brought back, whether or not somebody has thought of it. It is a duration
	// rather than a time of day, so that its limit can be checked when it is made,
	// and by the API server's clock alone.
	// +required
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(h|m|s|ms))+$') && duration(self) >= duration('1m') && duration(self) <= duration('168h')",message="must be from 1m to 168h, such as 1h30m"
	Duration Duration `json:"duration"`
	// nodeNames are the nodes whose paths are meant; none: all of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	NodeNames []string `json:"nodeNames,omitempty"`
	// requestedBy is who asks: the user name by which the API server knows the
	// one who creates this object (kubectl auth whoami). An admission policy
	// refuses any other.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^[\\\\p{L}\\\\p{M}\\\\p{N}\\\\p{P}\\\\p{S} ]*$') && self.matches('[^ ]')",message="must be one line of printable characters, and not blank"
	RequestedBy string `json:"requestedBy"`
	// ended, once it is true, has the paths brought back.
	// +optional
	// +kubebuilder:default=false
	Ended bool `json:"ended"`
}

// NVMePathMaintenanceStatus sums up what path sets say, which nodes write. What
// a node has not said yet is not assumed.
type NVMePathMaintenanceStatus struct {
	// conditions are Drained and, after the end, Returned.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// until is when it ends at the latest.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
	// paths is how many paths of volumes lead to the address.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Paths int32 `json:"paths"`
	// drainedPaths is how many of them are down and kept away.
	// +optional
	// +kubebuilder:validation:Minimum=0
	DrainedPaths int32 `json:"drainedPaths"`
	// refusedPaths is how many of them their nodes do not take down now.
	// +optional
	// +kubebuilder:validation:Minimum=0
	RefusedPaths int32 `json:"refusedPaths"`
	// usablePaths is how many of them I/O can take.
	// +optional
	// +kubebuilder:validation:Minimum=0
	UsablePaths int32 `json:"usablePaths"`
}

// PathMaintenance is what a node does about one path because its address is
// worked on.
type PathMaintenance struct {
	// name is that of the NVMePathMaintenance. Absent where it was asked for on
	// the node itself.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
	// state is how far it is.
	// +required
	// +kubebuilder:validation:Enum=Draining;Drained;Refused;Returning
	State MaintenanceState `json:"state"`
	// message says more, such as why it is refused.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// MaintenanceState is how far the maintenance of a path is.
type MaintenanceState string

// The states.
const (
	// MaintenanceDraining: the path is to be taken down, and I/O can take it
	// still.
	MaintenanceDraining MaintenanceState = "Draining"
	// MaintenanceDrained: the path is down, and kept so unless its volume is in
	// need.
	MaintenanceDrained MaintenanceState = "Drained"
	// MaintenanceRefused: the node does not take the path down now, for a
	// namespace depends on it.
	MaintenanceRefused MaintenanceState = "Refused"
	// MaintenanceReturning: the maintenance is over and the path not back yet.
	MaintenanceReturning MaintenanceState = "Returning"
)

// TargetOf returns the target's end of a path's address: what an
// NVMePathMaintenance calls address.
func TargetOf(address string) string {
	target, _, _ := strings.Cut(address, " from ")
	// The host's interface; an IPv6 address may have a zone in its brackets.
	if i := strings.LastIndexByte(target, '%'); i > strings.LastIndexByte(target, ']') {
		target = target[:i]
	}
	return target
}
