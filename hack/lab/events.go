package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Events are those on an object: a path set, a claim, a pod.
func (l *Lab) Events(ctx context.Context, kind, name string) ([]corev1.Event, error) {
	var list corev1.EventList
	err := l.get(ctx, &list, "events", "--namespace="+Namespace, "--field-selector=involvedObject.kind="+kind+",involvedObject.name="+name)
	return list.Items, err
}

// CountEvents is how often something happened to an object: an event that is
// told again counts again.
func CountEvents(events []corev1.Event, reason string) int {
	n := 0
	for _, e := range events {
		switch {
		case e.Reason != reason:
		case e.Series != nil:
			n += int(e.Series.Count)
		default:
			n += max(1, int(e.Count))
		}
	}
	return n
}

// AllEvents is how often anything happened to an object.
func AllEvents(events []corev1.Event) int {
	reasons := map[string]bool{}
	for _, e := range events {
		reasons[e.Reason] = true
	}
	n := 0
	for r := range reasons {
		n += CountEvents(events, r)
	}
	return n
}

// EventSays tells whether one with that reason says something.
func EventSays(events []corev1.Event, reason, message string) bool {
	return slices.ContainsFunc(events, func(e corev1.Event) bool {
		return e.Reason == reason && strings.Contains(e.Message, message)
	})
}

// WaitEvent waits until an object has an event with that reason.
func (l *Lab) WaitEvent(ctx context.Context, kind, name, reason string) ([]corev1.Event, error) {
	var events []corev1.Event
	err := until(ctx, fmt.Sprintf("an event %s on %s %s", reason, kind, name), func() (_ bool, err error) {
		events, err = l.Events(ctx, kind, name)
		return CountEvents(events, reason) > 0, err
	})
	if err != nil {
		err = fmt.Errorf("%w\nlast seen: %s", err, sketchEvents(events))
	}
	return events, err
}

func sketchEvents(events []corev1.Event) string {
	if len(events) == 0 {
		return "none"
	}
	var all []string
	for _, e := range events {
		all = append(all, fmt.Sprintf("%s %s: %s", e.Type, e.Reason, e.Message))
	}
	return strings.Join(all, "\n  ")
}
