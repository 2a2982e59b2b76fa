package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/pkg/multipath"
)

// TestProbe: the time for an answer begins when the kernel is asked, and not
// when a process is started for that.
func TestProbe(t *testing.T) {
	dir := t.TempDir()
	answers := filepath.Join(dir, "answers")
	if err := unix.Mkfifo(answers, 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := New(Options{SysFS: dir, Proc: "/proc", Registry: filepath.Join(dir, "registry"), Child: []string{"cat", answers}})
	if err != nil {
		t.Fatal(err)
	}
	c := multipath.Controller{Name: "nvme0", Epoch: "boot/controller/1"}
	const limit = time.Millisecond
	wait, err := e.Probe(c, limit)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { result <- wait(t.Context()) }()
	select {
	case err := <-result:
		t.Fatalf("before the kernel was asked: %v", err)
	case <-time.After(20 * limit):
	}
	f, err := os.OpenFile(answers, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"begun":true}` + "\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-result; !errors.Is(err, multipath.ErrNoAnswer) {
		t.Errorf("without an answer: %v, want %v", err, multipath.ErrNoAnswer)
	}
	// Who asks once more waits for the same answer.
	if wait, err = e.Probe(c, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"controller":"nvme0"}`); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), wait(t.Context())); err != nil {
		t.Errorf("with an answer: %v", err)
	}
}

// TestIdentifyGone: a controller that is gone is said to be, and not that it does
// not answer.
func TestIdentifyGone(t *testing.T) {
	input, err := json.Marshal(job{Identify: "nvme7", Dev: t.TempDir(), SysFS: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	if err := ChildMain(bytes.NewReader(input), &output); err != nil {
		t.Fatal(err)
	}
	answers := json.NewDecoder(&output)
	var begun, r result
	if err := errors.Join(answers.Decode(&begun), answers.Decode(&r)); err != nil || !begun.Begun || r.Errno != unix.ENODEV {
		t.Errorf("answers %+v and %+v, %v; want ENODEV", begun, r, err)
	}
}
