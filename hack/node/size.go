package node

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// MetricsAddress is braid-node's handler for Prometheus.
const MetricsAddress = "http://127.0.0.1:9810/metrics"

// Metrics gets the metrics, as text.
func Metrics(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, MetricsAddress, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("/metrics: %s: %s", res.Status, body)
	}
	return string(body), err
}

// Size is how much a braid-node consists of.
type Size struct {
	Goroutines, Threads int
	// Processes are its own and those it has started.
	Processes int
}

func (s Size) String() string {
	return fmt.Sprintf("%d goroutines, %d threads, %d processes", s.Goroutines, s.Threads, s.Processes)
}

// Smaller returns the smaller of each. A zero Size counts as none.
func (s Size) Smaller(o Size) Size {
	if s == (Size{}) {
		return o
	}
	return Size{min(s.Goroutines, o.Goroutines), min(s.Threads, o.Threads), min(s.Processes, o.Processes)}
}

// Size asks braid-node and the kernel.
func (n *Node) Size(ctx context.Context) (Size, error) {
	text, err := Metrics(ctx)
	if err != nil {
		return Size{}, err
	}
	var s Size
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			if s.Goroutines, err = strconv.Atoi(value); err != nil {
				return Size{}, fmt.Errorf("go_goroutines: %w", err)
			}
		}
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", n.PID()))
	if err != nil {
		return Size{}, err
	}
	s.Threads = len(threads)
	s.Processes, err = descendants(n.PID())
	return s, err
}

// descendants counts a process and what it has started, however indirectly.
func descendants(pid int) (int, error) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return 0, err
	}
	count := 1
	for _, file := range lists {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for child := range strings.FieldsSeq(string(b)) {
			id, err := strconv.Atoi(child)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", file, err)
			}
			n, err := descendants(id)
			if err != nil {
				return 0, err
			}
			count += n
		}
	}
	return count, nil
}
