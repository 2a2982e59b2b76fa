package load

import "time"

// What braid-writer does, and where it reports.
const (
	RoundDepth = 32
	Round      = time.Second
	ReportPort = 8080
)

// Report is what a writer in another process says of itself, as JSON.
type Report struct {
	Stats
	// Error is of the I/O that failed and the blocks that were not as written.
	Error string `json:",omitempty"`
}

// NewReport forms a report.
func NewReport(s Stats, err error) Report {
	r := Report{Stats: s}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}
