package native

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/pkg/multipath"
)

// TestWritesJoin: whoever asks for what the kernel is at already waits for the
// process there is.
func TestWritesJoin(t *testing.T) {
	for what, ask := range map[string]func(context.Context, *Engine, multipath.Controller) error{
		"delete": func(ctx context.Context, e *Engine, c multipath.Controller) error { return e.Disconnect(ctx, c) },
		"reset": func(ctx context.Context, e *Engine, c multipath.Controller) error {
			wait, err := e.ResetController(c)
			if err != nil {
				return err
			}
			return wait(ctx)
		},
	} {
		t.Run(what, func(t *testing.T) { writesJoin(t, what, ask) })
	}
}

func writesJoin(t *testing.T, what string, ask func(context.Context, *Engine, multipath.Controller) error) {
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
		if err := ask(ctx, e, c); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), what+" nvme0") {
			t.Errorf("while the kernel is at it: %v", err)
		}
		cancel()
	}
	ended := make(chan error, 1)
	go func() { ended <- ask(t.Context(), e, c) }()
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

// TestChildWrites: only the very controller that was meant is written to.
func TestChildWrites(t *testing.T) {
	set := func(controller string) func(*job) {
		return func(j *job) { j.Set, j.Attribute, j.Value = controller, "nvme0c0n1/queue/io_timeout", "2000" }
	}
	for name, tc := range map[string]struct {
		what      func(*job) // to whom
		other     bool       // the controller has been replaced
		attribute string
		want      syscall.Errno
		written   string
	}{
		"reset":                   {func(j *job) { j.Reset = "nvme0" }, false, "reset_controller", 0, "1"},
		"reset another":           {func(j *job) { j.Reset = "nvme0" }, true, "reset_controller", unix.ENODEV, ""},
		"reset one that is gone":  {func(j *job) { j.Reset = "nvme7" }, false, "reset_controller", unix.ENODEV, ""},
		"delete":                  {func(j *job) { j.Delete = "nvme0" }, false, "delete_controller", 0, "1"},
		"delete another":          {func(j *job) { j.Delete = "nvme0" }, true, "delete_controller", 0, ""},
		"set":                     {set("nvme0"), false, "nvme0c0n1/queue/io_timeout", 0, "2000"},
		"set another":             {set("nvme0"), true, "nvme0c0n1/queue/io_timeout", unix.ENODEV, ""},
		"delete one that is gone": {func(j *job) { j.Delete = "nvme7" }, false, "delete_controller", 0, ""},
	} {
		sysfs := t.TempDir()
		put(t, sysfs, controllerClass+"/nvme0/"+tc.attribute, "")
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(sysfs, controllerClass, "nvme0"), &st); err != nil {
			t.Fatal(err)
		}
		j := job{SysFS: sysfs, Inode: st.Ino}
		if tc.what(&j); tc.other {
			j.Inode++
		}
		input, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		var output bytes.Buffer
		if err := ChildMain(bytes.NewReader(input), &output); err != nil {
			t.Fatal(err)
		}
		var r result
		if err := json.Unmarshal(output.Bytes(), &r); err != nil || r.Errno != tc.want || (tc.want == 0) != (r.err() == nil) {
			t.Errorf("%s: answer %s, want errno %d", name, &output, tc.want)
		}
		if b, err := os.ReadFile(filepath.Join(sysfs, controllerClass, "nvme0", tc.attribute)); err != nil || string(b) != tc.written {
			t.Errorf("%s: %s has %q, %v; want %q", name, tc.attribute, b, err, tc.written)
		}
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
