package controller

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// evidence is what is known when an attachment is to be released, all of it
// read from the API server.
type evidence struct {
	node    string
	state   nodeState
	pathSet string // the node's path set for the volume; empty if there is none

	deleted time.Time     // when the attachment was
	timeout time.Duration // after which it is released in any case; 0 for never
}

// nodeState is whether a node may use what is mounted there.
type nodeState int

const (
	nodeThere nodeState = iota
	nodeOutOfService
	nodeGone
)

// decision is what becomes of an attachment.
type decision struct {
	release bool
	// why is what it waits for, or why it is released although a path set says
	// that the volume may still be mounted. It does not change while time goes
	// by. Empty if the volume was unstaged.
	why string
	// deadline is when it has waited long enough, zero for never.
	deadline time.Time
}

// decide tells whether the attachment may be released: whether no node can
// write to the volume any more, or somebody has taken the responsibility.
func decide(e evidence, now time.Time) decision {
	var deadline time.Time
	if e.timeout > 0 {
		deadline = e.deleted.Add(e.timeout)
	}
	switch {
	case e.pathSet == "":
		return decision{release: true}
	case e.state == nodeGone:
		return decision{release: true, why: fmt.Sprintf("NVMePathSet %s is there, but node %s was deleted", e.pathSet, e.node)}
	case e.state == nodeOutOfService:
		return decision{release: true, why: fmt.Sprintf("NVMePathSet %s is there, but node %s has the taint %s", e.pathSet, e.node, corev1.TaintNodeOutOfService)}
	case deadline.IsZero():
		return decision{why: waiting(e)}
	case now.Before(deadline):
		return decision{why: fmt.Sprintf("%s. -release-timeout releases it at %s", waiting(e), deadline.UTC().Format(time.RFC3339)), deadline: deadline}
	}
	return decision{release: true, why: fmt.Sprintf("NVMePathSet %s is there, but -release-timeout %s is over: node %s may still write", e.pathSet, e.timeout, e.node)}
}

func waiting(e evidence) string {
	return fmt.Sprintf("node %s may have the volume mounted: waiting until NVMePathSet %s is gone. If the node is off, taint it with %s or delete it",
		e.node, e.pathSet, corev1.TaintNodeOutOfService)
}

// outOfService tells whether the node has the taint by which an administrator
// says that it is off (Kubernetes' non-graceful node shutdown). As in the
// attach/detach controller, its effect does not matter.
func outOfService(n *corev1.Node) bool {
	for _, t := range n.Spec.Taints {
		if t.Key == corev1.TaintNodeOutOfService {
			return true
		}
	}
	return false
}
