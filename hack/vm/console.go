package vm

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// tailLines is how much of the console an error quotes: a panic's call trace.
const tailLines = 40

// console keeps the kernel's console log: in memory to quote it in errors, and
// in the artifacts folder if there is one.
type console struct {
	log  bytes.Buffer
	file *os.File
}

func newConsole(artifacts string) (*console, error) {
	c := &console{}
	if artifacts == "" {
		return c, nil
	}
	err := os.MkdirAll(artifacts, 0o755)
	if err == nil {
		c.file, err = os.Create(filepath.Join(artifacts, "console.log"))
	}
	if err != nil {
		return nil, fmt.Errorf("artifacts: %w", err)
	}
	return c, nil
}

// Write drops the carriage returns a console adds to every line.
func (c *console) Write(p []byte) (int, error) {
	clean := bytes.ReplaceAll(p, []byte("\r"), nil)
	c.log.Write(clean)
	if c.file != nil {
		if _, err := c.file.Write(clean); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (c *console) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

// explain adds the console's last lines to an error.
func (c *console) explain(err error) error {
	lines := strings.Split(strings.TrimSpace(c.log.String()), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	if len(lines) == 1 && lines[0] == "" {
		return fmt.Errorf("%w\nthe kernel printed nothing on its console", err)
	}
	return fmt.Errorf("%w\nend of the kernel's console:\n  | %s", err, strings.Join(lines, "\n  | "))
}
