package native

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/pkg/multipath"
)

// TestDisconnectJoins: whoever asks for the end of a controller that the kernel
// is at already waits for the process there is.
func TestDisconnectJoins(t *testing.T) {
	dir := t.TempDir()
	started, answers := filepath.Join(dir, "started"), filepath.Join(dir, "answers")
	if err := unix.Mkfifo(answers, 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := New(Options{
		SysFS: dir, Proc: "/proc", Registry: filepath.Join(dir, "registry"),
		// It says that it has started, and hangs until there is an answer.
		Child: []string{"sh", "-c", `echo x >> "$0"; cat "$1"`, started, answers},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := multipath.Controller{Name: "nvme0", Epoch: "boot/controller/1"}
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := e.Disconnect(ctx, c); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "nvme0") {
			t.Errorf("while the kernel is at it: %v", err)
		}
		cancel()
	}
	ended := make(chan error, 1)
	go func() { ended <- e.Disconnect(t.Context(), c) }()
	if err := os.WriteFile(answers, []byte(`{"controller":"nvme0"}`), 0); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("once the kernel is done: %v", err)
	}
	if b, err := os.ReadFile(started); err != nil || string(b) != "x\n" {
		t.Errorf("%v, processes: %q; want one", err, b)
	}
}

func TestLookingOnce(t *testing.T) {
	var l looking
	heads := []multipath.Head{{Name: "nvme0n1"}, {Name: "nvme0n2"}}
	ended, err := l.begin(heads)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.begin(heads); err == nil || !strings.Contains(err.Error(), "nvme0n1 nvme0n2") {
		t.Errorf("while a look hangs: %v", err)
	}
	if _, err := l.begin(heads[:1]); err != nil {
		t.Errorf("other heads: %v", err)
	}
	ended()
	if _, err := l.begin(heads); err != nil {
		t.Errorf("after it has ended: %v", err)
	}
}
