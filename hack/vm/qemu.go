package vm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/guest"
)

// sinks are where the guest's ports lead.
type sinks struct {
	console, stdout, stderr, status io.Writer
	files                           *receiver
}

// commandLine is the kernel's. An oops ends the machine (panic=-1 with QEMU's
// -no-reboot), so a broken kernel is an error and not a hang.
const commandLine = "console=ttyS0 quiet panic=-1 oops=panic mitigations=off nokaslr tsc=reliable random.trust_cpu=on " + guest.CommandLine

// firstFD is the number the first of exec.Cmd's extra files has in QEMU.
const firstFD = 3

// boot runs QEMU until the machine is off. QEMU's ends of the ports are
// inherited sockets, so there are no socket files to clean up.
func boot(ctx context.Context, cfg Config, initrd *os.File, to sinks) error {
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-accel", "tcg,thread=multi", "-cpu", "max",
		"-smp", fmt.Sprint(cfg.CPUs), "-m", fmt.Sprint(cfg.Memory),
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-kernel", cfg.Kernel.Image(), "-initrd", fmt.Sprintf("/proc/self/fd/%d", firstFD),
		"-append", commandLine+clockRate(),
		"-device", "virtio-serial-pci",
	)
	cmd.ExtraFiles = []*os.File{initrd}
	var qemuErrors strings.Builder
	cmd.Stderr = &qemuErrors
	var copying sync.WaitGroup
	defer copying.Wait()
	for _, p := range []struct {
		name string
		to   io.Writer
	}{
		{"", to.console}, {guest.PortStdout, to.stdout}, {guest.PortStderr, to.stderr},
		{guest.PortStatus, to.status}, {guest.PortFiles, to.files},
	} {
		ours, theirs, err := socketPair()
		if err != nil {
			return err
		}
		// Ours ends when QEMU has closed its end, after the last byte.
		copying.Go(func() { drain(p.to, ours) })
		if p.name == guest.PortFiles {
			go func() { // the guest waits for this word before it powers off
				<-to.files.complete
				_, _ = ours.Write([]byte{'\n'})
			}()
		}
		defer theirs.Close()
		fd := firstFD + len(cmd.ExtraFiles)
		cmd.ExtraFiles = append(cmd.ExtraFiles, theirs)
		cmd.Args = append(cmd.Args, port(p.name, fd)...)
	}
	for i, file := range cfg.Disks {
		cmd.Args = append(cmd.Args, disk(i, file)...)
	}
	if cfg.Tap != nil {
		cmd.Args = append(cmd.Args, network(firstFD+len(cmd.ExtraFiles))...)
		cmd.ExtraFiles = append(cmd.ExtraFiles, cfg.Tap)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:   true,            // Ctrl-C is ours to handle
		Pdeathsig: syscall.SIGKILL, // and no QEMU outlives us
	}
	cmd.WaitDelay = 5 * time.Second
	if err := runLocked(cmd); err != nil {
		return fmt.Errorf("qemu: %w: %s", err, strings.TrimSpace(qemuErrors.String()))
	}
	return nil
}

// port connects a file descriptor to a virtio-serial port, or without a name to
// the serial line the kernel's console is on.
func port(name string, fd int) []string {
	if name == "" {
		return []string{"-chardev", fmt.Sprintf("socket,id=console,fd=%d", fd), "-serial", "chardev:console"}
	}
	return []string{
		"-chardev", fmt.Sprintf("socket,id=%s,fd=%d", name, fd),
		"-device", fmt.Sprintf("virtserialport,chardev=%s,name=%s", name, name),
	}
}

// runLocked runs a command from a locked thread: the death signal is sent when
// the thread that started the process ends, not the process.
func runLocked(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.Run()
}

func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket for a serial port: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "port"), os.NewFile(uintptr(fds[1]), "port"), nil
}

func memoryFile(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// drain copies to its end even when nobody wants the rest: a full socket would
// stop the whole machine.
func drain(to io.Writer, from *os.File) {
	defer from.Close()
	if _, err := io.Copy(to, from); err != nil && !errors.Is(err, os.ErrClosed) {
		_, _ = io.Copy(io.Discard, from)
	}
}
