package agent

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
)

// component is who events come from, and the field manager of what is applied.
const component = "braid-node"

// reasonCountersReset is the reason of the event that tells of a reset.
const reasonCountersReset = "CountersReset"

// reasonAddressMoved is the reason of the event that tells of a path that is
// expected at another address than before.
const reasonAddressMoved = "AddressMoved"

// maxNote is the longest message of an event, in bytes.
const maxNote = 1024

// happening is something to tell about a path set.
type happening struct {
	at            time.Time
	warning       bool
	reason, about string
}

// happenings returns what there is to tell once the findings that had the
// reasons told have become found, and the latest reset was another one.
func happenings(told []health.Reason, found []health.Finding, was, is *v1alpha1.NVMePathSetStatus, at time.Time) []happening {
	var all []happening
	if r := is.LastReset; r != nil && len(was.Conditions) > 0 && (was.LastReset == nil || was.LastReset.ID != r.ID) {
		all = append(all, happening{r.Time.Time, false, reasonCountersReset, fmt.Sprintf("Counters reset by %s: %s (reset %s)", r.By, r.Reason, r.ID)})
	}
	for _, f := range found {
		if !slices.Contains(told, f.Reason) {
			all = append(all, happening{at, true, string(f.Reason), f.Message})
		}
	}
	if len(told) > 0 && len(found) == 0 {
		ready := meta.FindStatusCondition(is.Conditions, v1alpha1.ConditionReady)
		all = append(all, happening{at, false, v1alpha1.ReasonHealthy, ready.Message})
	}
	return all
}

// moves returns what there is to tell of addresses that have moved since a path
// set was as it was.
func moves(was *v1alpha1.NVMePathSetStatus, set *multipath.PathSet) []happening {
	var all []happening
	for i := range set.Paths {
		p := &set.Paths[i]
		known := func(s v1alpha1.PathStatus) bool { return s.LearnedFrom != "" && s.Address == p.Key }
		if p.Learned == nil || len(was.Conditions) == 0 || slices.ContainsFunc(was.Paths, known) {
			continue
		}
		var gone []string
		for _, a := range p.Learned.InPlaceOf {
			gone = append(gone, a.String())
		}
		all = append(all, happening{p.Learned.At, false, reasonAddressMoved, fmt.Sprintf(
			"Discovery controller %s lists %s, and no longer %s", p.Learned.From, p.Address, strings.Join(gone, ", "))})
	}
	return all
}

// reasonsOf returns the reasons of the findings.
func reasonsOf(found []health.Finding) []health.Reason {
	var all []health.Reason
	for _, f := range found {
		all = append(all, f.Reason)
	}
	return all
}

// toldBy returns the reasons that somebody was told about who has read these
// conditions. A condition names but the worst of its findings; while that
// stays, the others are no news either.
func toldBy(conditions []metav1.Condition, found []health.Finding) []health.Reason {
	var told []health.Reason
	for _, a := range aspects {
		c := meta.FindStatusCondition(conditions, a.condition)
		if c == nil || c.Status != metav1.ConditionFalse {
			continue
		}
		told = append(told, health.Reason(c.Reason))
		if f, wrong := a.worst(found); wrong && string(f.Reason) == c.Reason {
			told = append(told, a.reasons...)
		}
	}
	// No other condition of the agent's names what the cluster finds.
	if c := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady); c != nil && c.Reason == string(health.DuplicateHostNQN) {
		told = append(told, health.DuplicateHostNQN)
	}
	return told
}

// subjects are the objects that a happening is told on: the path set, and the
// claim if it is known to the letter (kubectl describe looks for its UID).
func subjects(name string, uid types.UID, claim *v1alpha1.ClaimReference) []corev1.ObjectReference {
	all := []corev1.ObjectReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "NVMePathSet", Name: name, UID: uid,
	}}
	if claim != nil && claim.UID != "" {
		all = append(all, corev1.ObjectReference{
			APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: types.UID(claim.UID),
		})
	}
	return all
}

// event returns the event that tells it on one object. Its name is made of
// what it says, so that writing it twice does not tell it twice.
func (h happening) event(node, pathSet string, on corev1.ObjectReference) *corev1.Event {
	kind, about := corev1.EventTypeNormal, h.about
	if h.warning {
		kind = corev1.EventTypeWarning
	}
	namespace := on.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault // where events of cluster-scoped objects are looked for
	} else {
		about = fmt.Sprintf("on node %s: %s", node, about)
	}
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace,
			Name:      pathSet + "." + hash(string(on.UID), h.reason, h.about, h.at.UTC().Format(time.RFC3339Nano)),
		},
		InvolvedObject: on, Type: kind, Reason: h.reason, Message: line(about, maxNote),
		Source:              corev1.EventSource{Component: component, Host: node},
		ReportingController: component, ReportingInstance: node,
		FirstTimestamp: *stamp(h.at), LastTimestamp: *stamp(h.at), Count: 1,
	}
}
