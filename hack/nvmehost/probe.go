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

// FailoverProbe counts the calls of the function by which the kernel takes a
// request off its path, with the tracer's own counter: on every kernel, over
// all paths.
type FailoverProbe struct{ event string }

// ProbeFailovers begins to count.
func ProbeFailovers() (FailoverProbe, error) {
	p := FailoverProbe{"braid_failovers"}
	// Else it would note the name of every task that is switched to.
	if err := os.WriteFile(filepath.Join(tracing, "options/record-cmd"), []byte("0"), 0); err != nil {
		return p, err
	}
	if err := appendTo("kprobe_events", "p:kprobes/"+p.event+" nvme_failover_req\n"); err != nil {
		return p, err
	}
	return p, p.enable("1")
}

// Counts is how often the function was called, and how many calls the tracer
// could not count.
func (p FailoverProbe) Counts() (hits, missed uint64, err error) {
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
func (p FailoverProbe) Close() error {
	return errors.Join(p.enable("0"), appendTo("kprobe_events", "-:kprobes/"+p.event+"\n"))
}

func (p FailoverProbe) enable(value string) error {
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
