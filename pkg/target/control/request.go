package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/target"
)

// Request is one thing to do.
type Request struct {
	Do string `json:"do"`
	// Port is the port that it is done to.
	Port uint16 `json:"port,omitempty"`
	// Queue is one queue of the port; without it, all are meant.
	Queue *int `json:"queue,omitempty"`
	// Group and State are for "ana".
	Group uint32        `json:"group,omitempty"`
	State nvme.ANAState `json:"state,omitempty"`
	// Fault is for "inject", ID for "clear".
	Fault *target.Fault  `json:"fault,omitempty"`
	ID    target.FaultID `json:"id,omitempty"`
}

// Answer is what came of it.
type Answer struct {
	Error string         `json:"error,omitempty"`
	ID    target.FaultID `json:"id,omitempty"`
	State *target.State  `json:"state,omitempty"`
}

// perform does what a line asks for.
func perform(t *target.Target, line []byte) Answer {
	var r Request
	if err := unmarshal(line, &r); err != nil {
		return Answer{Error: "request: " + err.Error()}
	}
	a, err := r.perform(t)
	if err != nil {
		return Answer{Error: err.Error()}
	}
	return a
}

func (r *Request) perform(t *target.Target) (Answer, error) {
	queue := target.AllQueues
	if r.Queue != nil {
		if queue = *r.Queue; queue < 0 {
			return Answer{}, fmt.Errorf("queue: %d is negative", queue)
		}
	}
	switch r.Do {
	case "show":
		s := t.State()
		return Answer{State: &s}, nil
	case "cut":
		return Answer{}, t.Cut(r.Port)
	case "repair":
		return Answer{}, t.Repair(r.Port)
	case "drop":
		return Answer{}, t.Drop(r.Port, queue)
	case "black-hole":
		return Answer{}, t.BlackHole(r.Port, queue)
	case "restore":
		return Answer{}, t.Restore(r.Port, queue)
	case "ana":
		return Answer{}, t.SetANA(r.Port, r.Group, r.State)
	case "clear":
		return Answer{}, t.Clear(r.ID)
	case "inject":
		if r.Fault == nil {
			return Answer{}, errors.New("fault: is missing")
		}
		id, err := t.Inject(*r.Fault)
		return Answer{ID: id}, err
	}
	return Answer{}, fmt.Errorf("do: %q is not show, cut, repair, drop, black-hole, restore, ana, inject or clear", r.Do)
}

// unmarshal refuses fields that do not exist: a fault that was misspelt would be
// another fault.
func unmarshal(line []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one on a line")
	}
	return nil
}
