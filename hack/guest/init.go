package guest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// IsInit reports whether this process is a guest's first one. The program that
// starts guests is also the program that runs in them, so the two sides always
// speak the same contract and there is nothing to build at run time.
func IsInit() bool { return os.Getpid() == 1 && os.Args[0] == "/init" }

// Main is the guest's life. It does not return: the first process must not
// end, or the kernel panics.
//
//	mount, lo up -> modules -> ports -> all CPUs -> program -> kill the rest -> status, files -> the host's word -> power off
//
// Errors before the ports exist go to the kernel's console, the standard error
// of the first process. A panic here makes the kernel panic, and the host
// prints the console.
func Main() {
	if err := live(); err != nil {
		fmt.Fprintf(os.Stderr, "braid guest: %v\n", err)
	}
	// No sync before: all storage is in memory, and a dead path could block it
	// for ever.
	err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	panic(fmt.Sprintf("power off: %v", err))
}

func live() error {
	if err := mountAll(); err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	if err := os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"); err != nil {
		return err
	}
	cmd, err := readCommand()
	if err != nil {
		return err
	}
	if err := loadModules(append([]string{"virtio_pci", "virtio_console"}, cmd.Modules...)); err != nil {
		return err
	}
	if err := mountConfigfs(); err != nil {
		return err
	}
	p, err := openPorts()
	if err != nil {
		return err
	}
	if cmd.Root != nil {
		if err := cmd.Root.enter(); err != nil {
			return err
		}
	}
	if err := joinCPUs(); err != nil {
		return err
	}
	status := run(cmd, p.stdout, p.stderr)
	if err := json.NewEncoder(p.status).Encode(status); err != nil {
		return fmt.Errorf("reporting the exit status: %w", err)
	}
	if err := saveKernelLog(); err != nil {
		fmt.Fprintf(os.Stderr, "braid guest: %v\n", err)
	}
	if err := sendFiles(p.files, OutDir); err != nil {
		return err
	}
	return p.awaitHost()
}

func readCommand() (Command, error) {
	var c Command
	b, err := os.ReadFile(CommandFile)
	if err != nil {
		return c, fmt.Errorf("what to run: %w", err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("what to run: %s: %w", CommandFile, err)
	}
	return c, nil
}

// loadModules is one call of modprobe: starting a program takes a while on an
// emulated processor.
func loadModules(names []string) error {
	out, err := exec.Command("modprobe", append([]string{"-a"}, names...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("modprobe %s: %w: %s", strings.Join(names, " "), err, out)
	}
	return nil
}
