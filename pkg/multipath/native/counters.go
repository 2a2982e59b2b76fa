package native

import (
	"errors"
	"strconv"

	"github.com/braid-csi/braid/pkg/nvme"
)

// counterAttribute ties a counter to the kernel's attribute. All are unsigned
// long, read in decimal and set by writing (Linux 7.2 drivers/nvme/host/sysfs.c).
type counterAttribute struct {
	counter nvme.Counter
	name    string
}

var (
	pathCounters = []counterAttribute{
		{nvme.Failovers, "multipath_failover_count"},
		{nvme.Retries, "command_retries_count"},
		{nvme.Errors, "command_error_count"},
	}
	headCounters = []counterAttribute{
		{nvme.Requeues, "io_requeue_no_usable_path_count"},
		{nvme.Failures, "io_fail_no_available_path_count"},
	}
	controllerCounters = []counterAttribute{
		{nvme.AdminErrors, "command_error_count"},
		{nvme.Resets, "reset_count"},
		{nvme.Reconnects, "reconnect_count"},
	}
)

// diagGroup is the attribute group of Linux 7.2; the patch before it had its
// attribute in the device's own directory and did not count atomically.
const diagGroup = "diag"

// counters reads those of the table that dir has. exact is false if one of
// them was found outside of the diag group.
func (a *attributes) counters(dir string, table []counterAttribute) (c nvme.Counters, exact bool, err error) {
	exact = true
	for _, attr := range table {
		v, err := a.count(dir, diagGroup, attr.name)
		if errors.Is(err, errGone) {
			if v, err = a.count(dir, "", attr.name); err == nil {
				exact = false
			}
		}
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		if c == nil {
			c = nvme.Counters{}
		}
		c[attr.counter] = v
	}
	return c, exact, nil
}

// count reads one counter. The kernel forms reconnect_count as a total plus
// the attempts of the running reconnect and adds the one to the other in two
// steps, so a single reading may see them twice: only a value read twice in a
// row counts.
func (a *attributes) count(dir, group, name string) (uint64, error) {
	read := func() (uint64, error) {
		s, err := a.reread(dir, group, name)
		if err != nil {
			return 0, err
		}
		return strconv.ParseUint(s, 10, 64)
	}
	last, err := read()
	if err != nil || name != "reconnect_count" {
		return last, err
	}
	for {
		again, err := read()
		if err != nil || again == last {
			return again, err
		}
		last = again
	}
}

// zero sets those counters of the table that dir has to zero.
func (a *attributes) zero(dir string, table []counterAttribute) error {
	for _, attr := range table {
		err := a.write("0", dir, diagGroup, attr.name)
		if errors.Is(err, errGone) {
			err = a.write("0", dir, attr.name)
		}
		if err != nil && !errors.Is(err, errGone) {
			return err
		}
	}
	return nil
}
