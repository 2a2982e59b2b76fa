package vm

import (
	"fmt"
	"time"
)

// timeStampCounter reads the processor's time stamp counter.
func timeStampCounter() uint64

// measured is for how long the counter is watched. What the machine does
// meanwhile does not matter: both clocks are read at both ends.
const measured = 20 * time.Millisecond

// clockRate tells the guest's kernel how fast its clock runs. An emulated
// processor has the host's counter, and a guest that measures its rate on a
// busy host finds any: its seconds are then too short by as much, and every
// deadline with them.
func clockRate() string {
	tick := time.NewTimer(measured)
	start, from := time.Now(), timeStampCounter()
	<-tick.C
	to, took := timeStampCounter(), time.Since(start)
	return fmt.Sprintf(" tsc_early_khz=%d", (to-from)*uint64(time.Millisecond)/uint64(took))
}
