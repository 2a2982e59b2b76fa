package machines

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const printed = `e2e: Linux 6.1.0, which does not count: Unsupported
=== RUN   TestGood
    good_test.go:1: fine
--- PASS: TestGood (1.20s)
=== RUN   TestBad
=== RUN   TestBad/part
    bad_test.go:7: broken
--- FAIL: TestBad (3.00s)
    --- FAIL: TestBad/part (3.00s)
=== RUN   TestUnfinished
`

func TestReadReport(t *testing.T) {
	want := report{about: "Linux 6.1.0, which does not count: Unsupported", ends: []end{
		{"TestGood", "PASS", "1.20s", "=== RUN   TestGood\n    good_test.go:1: fine\n--- PASS: TestGood (1.20s)\n"},
		{"TestBad", "FAIL", "3.00s", "=== RUN   TestBad\n=== RUN   TestBad/part\n    bad_test.go:7: broken\n--- FAIL: TestBad (3.00s)\n"},
	}}
	var told []string
	got, err := readReport(strings.NewReader(printed), func(e end) { told = append(told, e.name) })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"TestGood", "TestBad"}, told); diff != "" {
		t.Errorf("told while it ran (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(report{}, end{})); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestTable(t *testing.T) {
	old, err := readReport(strings.NewReader(printed), func(end) {})
	if err != nil {
		t.Fatal(err)
	}
	got := table([]string{"newest", "6.1"}, map[string]report{
		"newest": {about: "Linux 7.2.13, which counts failovers", ends: []end{{name: "TestGood", result: "PASS", took: "1.00s"}}},
		"6.1":    old,
	})
	want := strings.TrimPrefix(`
newest is Linux 7.2.13, which counts failovers
6.1 is Linux 6.1.0, which does not count: Unsupported

           newest        6.1
TestBad    did not run   fail 3.00s
TestGood   pass 1.00s    pass 1.20s
`, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}
