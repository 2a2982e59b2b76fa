package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
)

// Condition is what kubelet up to 1.36 reads of a volume's health.
type Condition struct {
	Abnormal bool
	Message  string
}

// CSI19 is what braid-node says to who has the types of CSI 1.9.
type CSI19 struct {
	Capabilities []string
	Condition    *Condition // nil: the answer has none
	Usage        []string
}

// CSI19 asks with those types, by a program of its own.
func (n *Node) CSI19(ctx context.Context, v Volume) (CSI19, error) {
	var a CSI19
	out, err := exec.CommandContext(ctx, "braid-csi19", endpoint, v.ID, v.Target).Output()
	if e := (*exec.ExitError)(nil); errors.As(err, &e) {
		err = fmt.Errorf("%w: %s", err, e.Stderr)
	}
	if err == nil {
		err = json.Unmarshal(out, &a)
	}
	return a, err
}
