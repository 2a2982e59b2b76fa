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
	device := v.Device
	if v.DeviceState != multipath.DevicePresent {
		device = strings.TrimSpace(device + " (" + string(v.DeviceState) + ")")
	}
	fmt.Fprintf(w, "%s  %s  %s  %s\n", v.ID, device, binarySize(v.SizeBytes), v.IOPolicy)
	fmt.Fprintf(w, "  %d/%d usable, %s\n", v.Usable, v.Expected, v.verdict())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  PATH\tCONTROLLER\tSTATE\tANA\tFAILOVERS\tLIFETIME\tRETRIES\tERRORS\tRESETS\tRECONNECTS")
	for _, p := range v.Paths {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			p.Address.Address(), dash(p.Controller), p.State, dash(string(p.ANAState)),
			p.bound(number(p.Counts, nvme.Failovers)), p.lifetime(nvme.Failovers),
			number(p.Counts, nvme.Retries), number(p.Counts, nvme.Errors),
			number(p.ControllerCounts, nvme.Resets), number(p.ControllerCounts, nvme.Reconnects))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if v.LastReset != nil {
		fmt.Fprintf(w, "  last reset %s by %s: %s\n", v.LastReset.At.Format("2006-01-02 15:04:05Z"), v.LastReset.By, v.LastReset.Reason)
	}
	return nil
}

// verdict puts the findings in one line.
func (v Volume) verdict() string {
	if len(v.Findings) == 0 {
		return "healthy"
	}
	var words []string
	for _, f := range v.Findings {
		words = append(words, fmt.Sprintf("%s %s: %s", f.Status, f.Reason, f.Message))
	}
	return strings.Join(words, "; ")
}

// bound marks a count that may be too low.
func (p Path) bound(count string) string {
	if p.Exact || count == "-" {
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
