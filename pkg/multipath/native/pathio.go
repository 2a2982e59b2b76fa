package native

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
)

// pathIO reads what went through a path out of its disk's statistics
// (Documentation/block/stat.rst); nil where the kernel was told to keep none.
func (e *Engine) pathIO(dir string) (*multipath.PathIO, error) {
	on, err := e.attr.reread(dir, "queue", "iostats")
	if err == nil && on != "1" {
		return nil, nil
	}
	var stat string
	if err == nil {
		stat, err = e.attr.reread(dir, "stat")
	}
	if errors.Is(err, errGone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseStat(stat)
}

func parseStat(s string) (*multipath.PathIO, error) {
	fields := strings.Fields(s)
	if len(fields) < 11 {
		return nil, fmt.Errorf("disk statistics %q have fewer than 11 fields", s)
	}
	var n [9]uint64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseUint(fields[i], 10, 63); err != nil {
			return nil, fmt.Errorf("disk statistics %q: %w", s, err)
		}
	}
	return &multipath.PathIO{
		Reads: n[0], ReadTime: time.Duration(n[3]) * time.Millisecond,
		Writes: n[4], WriteTime: time.Duration(n[7]) * time.Millisecond,
		InFlight: int(n[8]),
	}, nil
}

// ioTimeout reads for how long the kernel waits for a request of a disk.
func (e *Engine) ioTimeout(dir string) (time.Duration, error) {
	s, err := e.attr.reread(dir, "queue", "io_timeout")
	if errors.Is(err, errGone) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	ms, err := strconv.ParseUint(s, 10, 32)
	return time.Duration(ms) * time.Millisecond, err
}
