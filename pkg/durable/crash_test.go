package durable

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// crashStep and crashFile tell a second run of this test binary to kill itself
// at one step of a write: the only crash that runs no deferred clean-up.
const (
	crashStep = "BRAID_DURABLE_CRASH_STEP"
	crashFile = "BRAID_DURABLE_CRASH_FILE"
)

func TestMain(m *testing.M) {
	if step := os.Getenv(crashStep); step != "" {
		err := deadly(step).writeFile(os.Getenv(crashFile), []byte("new content"), 0o600)
		panic(err) // not reached
	}
	os.Exit(m.Run())
}

// deadly returns steps of which one, done by half or done, is the last.
func deadly(step string) steps {
	die := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} }
	s := onDisk
	switch step {
	case "write":
		s.write = func(f *os.File, b []byte) (int, error) { _, _ = f.Write(b[:4]); die(); return 0, nil }
	case "sync":
		s.sync = func(*os.File) error { die(); return nil }
	case "rename":
		s.rename = func(string, string) error { die(); return nil }
	case "sync directory":
		s.syncDir = func(string) error { die(); return nil }
	}
	return s
}

func TestCrash(t *testing.T) {
	for step, want := range map[string]string{
		"write":          "old",
		"sync":           "old",
		"rename":         "old",
		"sync directory": "new content",
	} {
		t.Run(step, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "book")
			if err := WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), crashStep+"="+step, crashFile+"="+path)
			if err := cmd.Run(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("writer ended with %v, want it killed", err)
			}
			if got := content(t, path); got != want {
				t.Errorf("content = %q, want %q", got, want)
			}
			if err := RemoveTemps(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
			if got := names(t, filepath.Dir(path)); len(got) != 1 {
				t.Errorf("files = %v, want only the book", got)
			}
		})
	}
}
