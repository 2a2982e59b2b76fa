package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of everything in this package.
var GroupVersion = schema.GroupVersion{Group: "braid.dev", Version: "v1alpha1"}

// SchemeGroupVersion is GroupVersion by the name that generated code has for it.
var SchemeGroupVersion = GroupVersion

// AddToScheme makes a scheme know the types of this package.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&NVMePathSet{}, &NVMePathSetList{},
		&NVMePathRemediation{}, &NVMePathRemediationList{},
		&NVMePathPolicy{}, &NVMePathPolicyList{},
		&NVMePathMaintenance{}, &NVMePathMaintenanceList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
