package agent

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	applied "github.com/braid-csi/braid/pkg/api/v1alpha1/applyconfiguration/api/v1alpha1"
)

// fieldManager is by which name the API server knows what the agent applied.
// It takes what others have changed in these fields back.
const fieldManager = client.FieldOwner(component)

// pathSetSpec is what is applied to make a path set or to change its spec.
func pathSetSpec(name string, spec v1alpha1.NVMePathSetSpec, node string, nodeUID types.UID) (*applied.NVMePathSetApplyConfiguration, error) {
	s, err := as[applied.NVMePathSetSpecApplyConfiguration](spec)
	if err != nil {
		return nil, err
	}
	return applied.NVMePathSet(name).WithSpec(s).WithOwnerReferences(
		metaac.OwnerReference().WithAPIVersion("v1").WithKind("Node").WithName(node).WithUID(nodeUID),
	), nil
}

// pathSetStatus is what is applied to a path set's status.
func pathSetStatus(name string, status v1alpha1.NVMePathSetStatus) (*applied.NVMePathSetApplyConfiguration, error) {
	s, err := as[applied.NVMePathSetStatusApplyConfiguration](status)
	if err != nil {
		return nil, err
	}
	return applied.NVMePathSet(name).WithStatus(s), nil
}

// remediationStatus is what is applied to the status of one remediation, and
// to no later one of its name.
func remediationStatus(name string, uid types.UID, status v1alpha1.NVMePathRemediationStatus) (*applied.NVMePathRemediationApplyConfiguration, error) {
	s, err := as[applied.NVMePathRemediationStatusApplyConfiguration](status)
	if err != nil {
		return nil, err
	}
	return applied.NVMePathRemediation(name).WithUID(uid).WithStatus(s), nil
}

// as forms the apply configuration of a value: their JSON is the same, but an
// apply configuration tells a zero that is set from a field that is left out.
func as[T any](value any) (*T, error) {
	b, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("%T: %w", value, err)
	}
	into := new(T)
	if err := json.Unmarshal(b, into); err != nil {
		return nil, fmt.Errorf("%T: %w", value, err)
	}
	return into, nil
}
