// Package guest is the first process of a test bed guest: it prepares the
// machine, runs one program, hands its output, its exit status and its files to
// the host, and powers off. It also holds the contract both sides keep.
package guest

import "os"

// CommandFile is where the initramfs says what to run.
const CommandFile = "/etc/braid/command.json"

// OutDir is the folder whose content the host gets when the program has ended.
const OutDir = "/out"

// ColorVariable is set in the guest's environment if what the program prints
// ends up on a terminal.
const ColorVariable = "BRAID_COLOR"

// The virtio-serial ports between guest and host. The kernel's console is apart
// from them, so nothing the kernel prints ends up in a program's output.
const (
	PortStdout = "braid.stdout"
	PortStderr = "braid.stderr"
	PortStatus = "braid.status" // one Status as JSON
	PortFiles  = "braid.files"  // OutDir as a tar stream
)

// Command is the program a guest runs.
type Command struct {
	Args []string `json:"args"`
	Env  []string `json:"env"`
	Dir  string   `json:"dir"`
	// Modules are loaded before the program starts.
	Modules []string `json:"modules,omitempty"`
	// Root is where the program runs, if not in the initramfs.
	Root *Root `json:"root,omitempty"`
}

// Status is how the program ended.
type Status struct {
	// Exit is the exit status, 128 and the signal's number after a signal, as
	// in a shell.
	Exit int `json:"exit"`
	// Error says why the program could not be run at all.
	Error string `json:"error,omitempty"`
}

// Inside reports whether this program runs in a guest. Whatever sets up targets
// and breaks networks must not do that to anyone's own machine.
func Inside() bool {
	_, err := os.Stat(CommandFile)
	return err == nil
}
