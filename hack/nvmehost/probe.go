package nvmehost

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// tracing is where the kernel's tracer is asked.
const tracing = "/sys/kernel/tracing"

// Probe counts the calls of a function of the kernel's with the tracer's own
// counter: on every kernel, over all paths.
type Probe struct{ event string }

// The functions that what is counted goes through, once each.
const (
	// FailoverFunction takes a request off its path.
	FailoverFunction = "nvme_failover_req"
	// RetryFunction has a request sent again; of a guest's disks only NVMe's do.
	RetryFunction = "blk_mq_requeue_request"
)

// ProbeCalls begins to count the calls of a function.
func ProbeCalls(function string) (Probe, error) {
	p := Probe{"braid_" + function}
	// Else it would note the name of every task that is switched to.
	if err := os.WriteFile(filepath.Join(tracing, "options/record-cmd"), []byte("0"), 0); err != nil {
		return p, err
	}
	if err := appendTo("kprobe_events", "p:kprobes/"+p.event+" "+function+"\n"); err != nil {
		return p, err
	}
	return p, p.enable("1")
}

// Counts is how often the function was called, and how many calls the tracer
// could not count.
func (p Probe) Counts() (hits, missed uint64, err error) {
	f, err := os.Open(filepath.Join(tracing, "kprobe_profile"))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var event string
		if _, err := fmt.Sscan(lines.Text(), &event, &hits, &missed); err != nil {
			return 0, 0, fmt.Errorf("kprobe_profile: %q: %w", lines.Text(), err)
		}
		if event == p.event {
			return hits, missed, nil
		}
	}
	return 0, 0, fmt.Errorf("kprobe_profile has no %s", p.event)
}

// Close ends it.
func (p Probe) Close() error {
	return errors.Join(p.enable("0"), appendTo("kprobe_events", "-:kprobes/"+p.event+"\n"))
}

func (p Probe) enable(value string) error {
	return os.WriteFile(filepath.Join(tracing, "events/kprobes", p.event, "enable"), []byte(value), 0)
}

// appendTo adds a line: a file of the tracer's that is truncated forgets the
// others.
func appendTo(file, line string) error {
	f, err := os.OpenFile(filepath.Join(tracing, file), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
	}
	return nil
}
