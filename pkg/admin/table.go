package admin

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// WriteTable writes the report for a person to read. Counts are since the last
// reset; LIFETIME is that of failovers. A dash is a count that nothing keeps,
// which is not zero; "~" marks a lower bound.
func (r Report) WriteTable(w io.Writer) error {
	if len(r.Volumes) == 0 {
		_, err := fmt.Fprintln(w, "No volume is staged on this node.")
		return err
	}
	for i, v := range r.Volumes {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := v.writeTable(w); err != nil {
			return err
		}
	}
	return nil
}

func (v Volume) writeTable(w io.Writer) error {
	fmt.Fprintln(w, strings.Join(v.title(), "  "))
	fmt.Fprintf(w, "  %d/%d usable, %s\n", v.Usable, v.Expected, v.verdict())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  PATH\tUSABLE\tCONTROLLER\tSTATE\tANA\tFAILOVERS\tLIFETIME\tRETRIES\tERRORS\tRESETS\tRECONNECTS")
	for _, p := range v.Paths {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			p.Address.Address(), yes(p.Usable), dash(p.Controller), p.State, dash(p.ana()),
			p.failovers(), p.lifetime(nvme.Failovers),
			number(p.Counts, nvme.Retries), number(p.Counts, nvme.Errors),
			number(p.ControllerCounts, nvme.Resets), number(p.ControllerCounts, nvme.Reconnects))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, p := range v.Paths {
		if p.ConnectError != "" {
			fmt.Fprintf(w, "  %s cannot be connected: %s\n", p.Address.Address(), p.ConnectError)
		}
		if p.Learned != nil {
			fmt.Fprintf(w, "  %s is known from discovery controller %s\n", p.Address.Address(), p.Learned.From.Address())
		}
	}
	if v.LastReset != nil {
		fmt.Fprintf(w, "  last reset %s by %s: %s\n", v.LastReset.At.Format("2006-01-02 15:04:05Z"), v.LastReset.By, v.LastReset.Reason)
	}
	return nil
}

// title names the volume and its device.
func (v Volume) title() []string {
	words := []string{v.ID}
	if v.Device != "" {
		words = append(words, v.Device)
	}
	if v.DeviceState != multipath.DevicePresent {
		return append(words, "("+string(v.DeviceState)+")")
	}
	return append(words, binarySize(v.SizeBytes), string(v.IOPolicy))
}

// verdict puts the findings in one line.
func (v Volume) verdict() string {
	switch {
	case len(v.Findings) > 0:
	case v.DeviceState == multipath.DevicePending:
		return "being staged"
	default:
		return "healthy"
	}
	var words []string
	for _, f := range v.Findings {
		words = append(words, fmt.Sprintf("%s %s: %s", f.Status, f.Reason, f.Message))
	}
	return strings.Join(words, "; ")
}

// failovers is the count since the last reset, marked where it may be too low.
func (p Path) failovers() string {
	count := number(p.Counts, nvme.Failovers)
	switch {
	case p.Name != "" && p.CounterSource == nvme.SourceUnsupported:
		return "unsupported"
	case p.Exact || count == "-":
		return count
	}
	return "~" + count
}

// lifetime is always a lower bound and says nothing else of itself.
func (p Path) lifetime(c nvme.Counter) string {
	t, ok := p.Counts[c]
	if !ok {
		return "-"
	}
	return strconv.FormatUint(t.Lifetime, 10)
}

// ana is the path's ANA state. While its controller is not live the kernel
// shows the last one it heard of, which says nothing.
func (p Path) ana() string {
	if p.State != nvme.StateLive {
		return ""
	}
	return string(p.ANAState)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func number(t ledger.Tallies, c nvme.Counter) string {
	tally, ok := t[c]
	if !ok {
		return "-"
	}
	return strconv.FormatUint(tally.SinceReset, 10)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// binarySize writes a size in the largest binary unit that leaves it whole.
func binarySize(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for n >= 1024 && n%1024 == 0 && i < len(units)-1 {
		n, i = n/1024, i+1
	}
	return fmt.Sprintf("%d %s", n, units[i])
}
