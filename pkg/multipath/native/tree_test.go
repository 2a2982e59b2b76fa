package native

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/braid-csi/braid/pkg/multipath/native/sockdiag"
)

const testBootID = "6f9a3c52-0f2e-4a57-9c4e-0d5a3f1b2c4d"

// unpack lays a captured tree (testdata/KERNEL/STATE.sysfs, made by
// hack/capture.sh) out in a directory and returns it.
func unpack(t *testing.T, capture string) string {
	t.Helper()
	f, err := os.Open(capture)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	root := t.TempDir()
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return root
		}
		if err == nil {
			err = unpackEntry(root, strings.TrimSuffix(line, "\n"), r)
		}
		if err != nil {
			t.Fatalf("%s: %q: %v", capture, line, err)
		}
	}
}

// unpackEntry makes what one header describes: "D PATH" a directory,
// "L PATH -> TARGET" a link, "F PATH SIZE" a file whose content follows.
func unpackEntry(root, header string, content io.Reader) error {
	kind, rest, _ := strings.Cut(header, " ")
	switch kind {
	case "#":
		return nil
	case "D":
		return os.MkdirAll(filepath.Join(root, rest), 0o755)
	case "L":
		name, target, _ := strings.Cut(rest, " -> ")
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			return err
		}
		return os.Symlink(target, filepath.Join(root, name))
	case "F":
		i := strings.LastIndexByte(rest, ' ')
		size, err := strconv.Atoi(rest[i+1:])
		if err != nil {
			return err
		}
		b := make([]byte, size+1) // a newline ends it
		if _, err := io.ReadFull(content, b); err != nil {
			return err
		}
		path := filepath.Join(root, rest[:i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, b[:size], 0o644)
	}
	return fmt.Errorf("entry of kind %q", kind)
}

// testEngine returns an engine over a tree and directories of its own.
func testEngine(t *testing.T, sysfs string) *Engine {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, "proc/sys/kernel/random/boot_id", testBootID+"\n")
	e, err := New(Options{
		SysFS: sysfs, Proc: filepath.Join(dir, "proc"), Dev: filepath.Join(dir, "dev"),
		Etc: filepath.Join(dir, "etc"), Registry: filepath.Join(dir, "registry"), State: filepath.Join(dir, "state"),
		Sockets: func(sockdiag.Service) ([]sockdiag.Socket, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// put writes a file below dir, with the directories it needs.
func put(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
