package machines

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// bin is where make puts programs.
const bin = "../../bin"

// compile builds the scenarios, with or without the parts that run only here.
func compile(t *testing.T, tags string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "e2e.test")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", tags, "-o", binary, "../e2e")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the scenarios: %v\n%s", err, out)
	}
	return binary
}

// machine is what runs a scenario.
type machine struct {
	kernel string
	binary string
	// add are files and folders of the host, as braid-vm's -add has them.
	add []string
	// artifacts is a folder for what the scenarios leave; empty for none.
	artifacts string
	timeout   time.Duration
	// log is told of each scenario that has ended; nil: nobody is.
	log func(format string, args ...any)
}

// run boots the machine, runs scenarios and returns how each ended. An error
// means that the machine did not come to its end.
func (m machine) run(ctx context.Context, scenarios, except string) (report, error) {
	args := []string{"exec", "-kernel", m.kernel, "-timeout", m.timeout.String()}
	if m.artifacts != "" {
		args = append(args, "-o", m.artifacts)
	}
	for _, a := range append([]string{bin + "/braid-node=/usr/bin/braid-node", bin + "/braid-node-faultpoints=/usr/bin/braid-node-faultpoints"}, m.add...) {
		args = append(args, "-add", a)
	}
	args = append(args, m.binary, "-test.v", "-test.timeout", m.timeout.String(), "-test.run", scenarios)
	if except != "" {
		args = append(args, "-test.skip", except)
	}
	cmd := exec.CommandContext(ctx, bin+"/braid-vm", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return report{}, err
	}
	if err := cmd.Start(); err != nil {
		return report{}, err
	}
	r, readErr := readReport(out, func(e end) {
		if m.log != nil {
			m.log("%s: %s %s after %s", m.kernel, e.result, e.name, e.took)
		}
	})
	_, _ = io.Copy(io.Discard, out) // what follows an error: the guest must not wait for a reader
	err = errors.Join(cmd.Wait(), readErr)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == 1: // a scenario failed, and the report says which
	case err != nil:
		return r, fmt.Errorf("machine with kernel %s: %w: %s", m.kernel, err, stderr.String())
	}
	if len(r.ends) == 0 {
		return r, fmt.Errorf("machine with kernel %s: no scenario ran: %s", m.kernel, stderr.String())
	}
	return r, nil
}

// report is what test binary printed.
type report struct {
	// about is the line by which the scenarios say what they run on.
	about string
	ends  []end
}

// end is how a scenario ended. Parts of one are not listed.
type end struct {
	name   string
	result string // PASS or FAIL
	took   string
	// output is what it printed.
	output string
}

var (
	begun = regexp.MustCompile(`^=== RUN   (Test\w+)$`)
	ended = regexp.MustCompile(`^--- (PASS|FAIL|SKIP): (Test\w+) \((.*)\)$`)
)

// readReport reads the output of a test binary that was told to be verbose.
func readReport(out io.Reader, done func(end)) (r report, err error) {
	var output strings.Builder
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if about, ok := strings.CutPrefix(line, "e2e: "); ok {
			r.about = about
		}
		if begun.MatchString(line) {
			output.Reset()
		}
		output.WriteString(line + "\n")
		if m := ended.FindStringSubmatch(line); m != nil {
			e := end{name: m[2], result: m[1], took: m[3], output: output.String()}
			r.ends = append(r.ends, e)
			done(e)
		}
	}
	return r, lines.Err()
}
