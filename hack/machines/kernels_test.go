package machines

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/braid-csi/braid/hack/kernel"
)

// kernelTimeout bounds all scenarios on one kernel.
const kernelTimeout = 40 * time.Minute

// TestKernels runs the scenarios on every kernel there is, one machine after the
// other, and prints which ran where and how it ended. What a kernel does not
// count, the scenarios want to be called unsupported (nvmehost.Features).
//
// BRAID_KERNELS and BRAID_SCENARIOS choose among them: a list with commas, and
// a regular expression.
func TestKernels(t *testing.T) {
	binary := compile(t, "")
	kernels := kernel.Names()
	if chosen := os.Getenv("BRAID_KERNELS"); chosen != "" {
		kernels = strings.Split(chosen, ",")
	}
	reports := map[string]report{}
	for _, name := range kernels {
		t.Run(name, func(t *testing.T) {
			r, err := machine{
				kernel: name, binary: binary, timeout: kernelTimeout, log: t.Logf,
				artifacts: artifacts(t, "kernels", name),
			}.run(t.Context(), cmp.Or(os.Getenv("BRAID_SCENARIOS"), "."), everyStep)
			reports[name] = r
			for _, e := range r.ends {
				t.Run(e.name, func(t *testing.T) {
					if e.result != "PASS" {
						t.Errorf("%s on %s:\n%s", e.result, r.about, e.output)
					}
				})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	t.Logf("\n%s", table(kernels, reports))
}

// everyStep is left out here: it takes as long as all others, and no kernel
// changes the order of what braid-node does.
const everyStep = "^TestCrashEveryStep$"

// artifacts is a folder that make keeps.
func artifacts(t *testing.T, elem ...string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(append([]string{"../../artifacts"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// table has a line for each scenario and a column for each kernel.
func table(kernels []string, reports map[string]report) string {
	var b strings.Builder
	for _, k := range kernels {
		fmt.Fprintf(&b, "%s is %s\n", k, reports[k].about)
	}
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintf(w, "\n\t%s\n", strings.Join(kernels, "\t"))
	for _, name := range scenarios(reports) {
		fmt.Fprint(w, name)
		for _, k := range kernels {
			cell := "did not run"
			if i := slices.IndexFunc(reports[k].ends, func(e end) bool { return e.name == name }); i >= 0 {
				e := reports[k].ends[i]
				cell = strings.ToLower(e.result) + " " + e.took
			}
			fmt.Fprintf(w, "\t%s", cell)
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // to memory
	return b.String()
}

// scenarios are all that ran anywhere, in order.
func scenarios(reports map[string]report) []string {
	var names []string
	for _, r := range reports {
		for _, e := range r.ends {
			names = append(names, e.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
