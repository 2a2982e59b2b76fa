package volumetest

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/utils/exec"
	testingexec "k8s.io/utils/exec/testing"
)

// commands runs the node's programs.
type commands struct{ node *Node }

var _ exec.Interface = commands{}

func (c commands) LookPath(file string) (string, error) { return file, nil }

func (c commands) CommandContext(_ context.Context, name string, args ...string) exec.Cmd {
	return c.Command(name, args...)
}

func (c commands) Command(name string, args ...string) exec.Cmd {
	run := func() ([]byte, []byte, error) {
		out, err := c.node.run(name, args)
		return []byte(out), nil, err
	}
	return &testingexec.FakeCmd{CombinedOutputScript: []testingexec.FakeAction{run}}
}

// exit is the error of a program that ended with a status.
func exit(status int) error { return testingexec.FakeExitError{Status: status} }

// run does what the program does to the node.
func (n *Node) run(name string, args []string) (string, error) {
	if err := n.call(name, args...); err != nil {
		return "", err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var dev *device
	if len(args) > 0 {
		dev = n.device(args[len(args)-1])
	}
	fsType, isFormat := strings.CutPrefix(name, "mkfs.")
	switch {
	case name == "xfs_growfs":
		return "", nil
	case dev == nil:
		return "", exit(1)
	case isFormat:
		dev.content = fsType
		return "", nil
	case name == "blkid" && dev.content == "":
		return "", exit(2)
	case name == "blkid":
		return fmt.Sprintf("DEVNAME=%s\nTYPE=%s\n", dev.Path, dev.content), nil
	case name == "blockdev": // --getro
		return "0\n", nil
	case name == "fsck", name == "resize2fs":
		return "", nil
	}
	return "", exit(127)
}
