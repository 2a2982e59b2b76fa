package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// owner is the Node that this node's path sets belong to, so that they go with
// it when it is deleted.
type owner struct {
	api  client.Client
	node string

	mu  sync.Mutex
	uid types.UID // empty: to be asked
}

// errNoNode: there is no such Node.
var errNoNode = errors.New("there is no such node in the cluster")

// get returns the Node's UID. It asks the API server once.
func (o *owner) get(ctx context.Context) (types.UID, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.uid != "" {
		return o.uid, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var n corev1.Node
	switch err := o.api.Get(ctx, client.ObjectKey{Name: o.node}, &n); {
	case apierrors.IsNotFound(err):
		// Not the error itself: nothing else is missing.
		return "", fmt.Errorf("%w: %s", errNoNode, o.node)
	case err != nil:
		return "", fmt.Errorf("node %s: %w", o.node, err)
	}
	o.uid = n.UID
	return o.uid, nil
}

// forget makes the next get ask anew: the Node may have been made anew too.
func (o *owner) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.uid = ""
}
