package native

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/pkg/faultpoint"
)

// job is something that may block for long, done by a process of its own. It
// travels on standard input: options may one day hold secrets, which must not
// stand in a process's arguments.
type job struct {
	// Connect is the option line for /dev/nvme-fabrics; empty for the others.
	Connect string `json:"connect,omitempty"`
	// Delete is the controller to take down, Reset the one to reset, or Set the one
	// of which to set Attribute to Value; Inode is what its directory must be, so
	// that a newer controller of the same name is left alone.
	Delete    string `json:"delete,omitempty"`
	Reset     string `json:"reset,omitempty"`
	Set       string `json:"set,omitempty"`
	Attribute string `json:"attribute,omitempty"`
	Value     string `json:"value,omitempty"`
	Inode     uint64 `json:"inode,omitempty"`
	// Identify is the controller to ask for what it is, whose node is in Dev.
	Identify string `json:"identify,omitempty"`
	Dev      string `json:"dev,omitempty"`
	// Stir is the controller to have something sent by all of whose connections;
	// Path is its one disk, of the namespace NSID, empty if it has several.
	Stir string `json:"stir,omitempty"`
	Path string `json:"path,omitempty"`
	NSID uint32 `json:"nsid,omitempty"`
	// Read is the device to read a block of, if its number is DevNum.
	Read   string `json:"read,omitempty"`
	DevNum string `json:"devNum,omitempty"`

	Fabrics  string `json:"fabrics"`
	SysFS    string `json:"sysfs"`
	Registry string `json:"registry"`
	BootID   string `json:"bootID"`
}

// result is what the child answers on standard output.
type result struct {
	// Begun comes first, and is not the last, where it matters how long the kernel
	// takes: on a busy node a process takes a while to start.
	Begun bool `json:"begun,omitempty"`

	Controller string        `json:"controller,omitempty"`
	Errno      syscall.Errno `json:"errno,omitempty"`
	Error      string        `json:"error,omitempty"`
}

func (r result) err() error {
	switch {
	case r.Errno != 0:
		return fmt.Errorf("%s: %w", r.Error, r.Errno)
	case r.Error != "":
		return errors.New(r.Error)
	}
	return nil
}

// ChildMain is the main function of the child process: it reads a job, does
// it and writes the result. The program that Options.Child names must call it.
func ChildMain(stdin io.Reader, stdout io.Writer) error {
	var j job
	if err := json.NewDecoder(stdin).Decode(&j); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	answer := json.NewEncoder(stdout)
	if j.Identify != "" {
		if err := answer.Encode(result{Begun: true}); err != nil {
			return err
		}
	}
	var r result
	name, err := j.run()
	r.Controller = name
	if err != nil {
		r.Error = err.Error()
		errors.As(err, &r.Errno)
	}
	return answer.Encode(r)
}

func (j job) run() (string, error) {
	switch {
	case j.Delete != "":
		return j.Delete, j.delete()
	case j.Reset != "":
		return j.Reset, j.write("reset", j.Reset, "reset_controller", "1")
	case j.Set != "":
		return j.Set, j.write("set", j.Set, j.Attribute, j.Value)
	case j.Identify != "":
		return j.Identify, j.identify()
	case j.Stir != "":
		return j.Stir, j.stir()
	case j.Read != "":
		return "", j.read()
	}
	return j.connect()
}

func (j job) connect() (string, error) {
	f, err := os.OpenFile(j.Fabrics, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	faultpoint.Before("write", j.Fabrics)
	if _, err := f.WriteString(j.Connect); err != nil {
		return "", errors.Unwrap(err) // without the path: the caller names what it connected
	}
	answer := make([]byte, 256)
	n, err := f.Read(answer)
	if err != nil {
		return "", fmt.Errorf("read the kernel's answer: %w", err)
	}
	name, err := parseConnected(string(answer[:n]))
	if err != nil {
		return "", err
	}
	return name, j.sign(name)
}

// sign claims what was connected. The child does it, not its parent: it knows
// for certain, and the parent may be gone by now. What cannot be signed would
// never be taken down again, so it is taken down at once.
func (j job) sign(name string) error {
	e := Engine{attr: newAttributes(j.SysFS), bootID: j.BootID}
	epoch, err := e.controllerEpoch(name)
	if err != nil {
		return err
	}
	err = registry{j.Registry}.claim(name, epoch)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s is not kept, for signing it in %s failed: %w", name, j.Registry, err)
	inode, inodeErr := inodeOf(epoch)
	j.Delete, j.Inode = name, inode
	return errors.Join(err, inodeErr, j.delete())
}

// delete takes a controller down. One that is gone already is no failure.
func (j job) delete() error {
	if err := j.write("delete", j.Delete, "delete_controller", "1"); err != nil && err != unix.ENODEV {
		return err
	}
	return nil
}

// write sets an attribute of a controller, ENODEV if it is gone.
func (j job) write(what, controller, attribute, value string) error {
	dir, err := j.open(controller)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	fd, err := unix.Openat(dir, attribute, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return unix.ENODEV
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	faultpoint.Before(what, controller)
	_, err = unix.Write(fd, []byte(value))
	return err
}

// open opens a controller's directory, ENODEV if it is gone or another one's. What
// is done goes through what was checked: a path could by then lead elsewhere.
func (j job) open(controller string) (dir int, err error) {
	dir, err = unix.Open(filepath.Join(j.SysFS, controllerClass, controller), unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return -1, unix.ENODEV
	}
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(dir, &st); err == nil && st.Ino != j.Inode {
		err = unix.ENODEV // it is another one
	}
	if err != nil {
		unix.Close(dir)
		return -1, err
	}
	return dir, nil
}

// start runs a job in a child process. The result arrives on the channel,
// also long after everybody stopped listening; before it, of a job that says so,
// that it has begun.
func (e *Engine) start(j job) (<-chan result, error) {
	j.Fabrics, j.SysFS, j.Registry, j.BootID = e.fabrics, e.attr.root, e.registry.dir, e.bootID
	input, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	// No context: a process in the kernel's hands cannot be killed, and one
	// that was given up must still tell what became of it.
	cmd := exec.CommandContext(context.Background(), e.child[0], e.child[1:]...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	// A terminal's Ctrl-C ends the plugin, not the write.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the process that writes to the kernel: %w", err)
	}
	done := make(chan result, 2)
	go func() {
		answers := json.NewDecoder(stdout)
		var r result
		err := answers.Decode(&r)
		if err == nil && r.Begun {
			done <- r
			r = result{}
			err = answers.Decode(&r)
		}
		if waitErr := cmd.Wait(); waitErr != nil {
			r = result{Error: fmt.Sprintf("the process that writes to the kernel: %v: %s", waitErr, bytes.TrimSpace(stderr.Bytes()))}
		} else if err != nil {
			r = result{Error: fmt.Sprintf("the process that writes to the kernel answered nothing that makes sense: %v", err)}
		}
		done <- r
	}()
	return done, nil
}
