package remote

import (
	"regexp"

	"github.com/braid-csi/braid/hack/faultpoints"
)

// victim is who is ended.
const victim = "/usr/bin/braid-node"

// most is how often braid-node is ended before one and the same step: what it
// writes there may be about something else each time.
const most = 4

// crasher ends a braid-node with fault points before each of its side effects.
// What is begun anew for that is let through, so that everything comes to its end:
//
//	1st time: ended    2nd: let through    3rd: ended    4th: let through ...
type crasher struct {
	listener *faultpoints.Listener
	times    map[string]int
	ended    []string
	err      error
}

func startCrasher() (*crasher, error) {
	c := &crasher{times: map[string]int{}}
	var err error
	c.listener, err = faultpoints.Listen(func(_ int, step string) { c.before(step) })
	return c, err
}

// numbers are what differs between two runs of the same step.
var numbers = regexp.MustCompile(`[0-9]+`)

func (c *crasher) before(step string) {
	name := numbers.ReplaceAllString(step, "N")
	n := c.times[name]
	c.times[name]++
	if n%2 != 0 || n >= 2*most {
		return
	}
	if err := faultpoints.Kill(victim); err != nil {
		c.err = err
		return
	}
	c.ended = append(c.ended, step)
}

// end lets everything go on from now, and returns the steps that were prevented.
func (c *crasher) end() ([]string, error) {
	if _, err := c.listener.Close(); err != nil {
		return nil, err
	}
	return c.ended, c.err
}
