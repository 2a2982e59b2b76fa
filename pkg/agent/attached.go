package agent

import (
	"context"
	"errors"
	"fmt"

	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/attachment"
)

// errNotAttached: the cluster may give the volume to another node by now.
var errNotAttached = errors.New("the volume is not attached to this node any more")

// attached returns an error unless the volume is attached to this node. Kubelet
// has seen that it is; but until the path set was there nothing stood in the
// way of its being detached. From here on the path set does: the cluster's side
// looks for it after it has seen the attachment's deletion, and the node looks
// for that deletion after it has written the path set.
//
//	cluster:  attachment deleted --> path set there? --> release, or wait
//	node:     path set written ----> attachment deleted? --> refuse, or mount
func (a *Agent) attached(ctx context.Context, volumeID string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var va storagev1.VolumeAttachment
	switch err := a.api.Get(ctx, client.ObjectKey{Name: attachment.Name(volumeID, a.config.Node)}, &va); {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%w: VolumeAttachment %s is gone", errNotAttached, attachment.Name(volumeID, a.config.Node))
	case err != nil:
		return fmt.Errorf("attachment of the volume: %w", err)
	case va.DeletionTimestamp != nil:
		return fmt.Errorf("%w: VolumeAttachment %s is being deleted", errNotAttached, va.Name)
	}
	return nil
}
