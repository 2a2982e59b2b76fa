package kernel

import "fmt"

// Release is the part of a kernel release features are tied to.
type Release struct {
	Major, Minor int
}

// ParseRelease reads what uname -r prints: "7.2.13+deb14-cloud-amd64" is 7.2.
func ParseRelease(s string) (Release, error) {
	var r Release
	if _, err := fmt.Sscanf(s, "%d.%d", &r.Major, &r.Minor); err != nil {
		return Release{}, fmt.Errorf("kernel release %q: %w", s, err)
	}
	return r, nil
}

// Less reports whether r came before o.
func (r Release) Less(o Release) bool {
	if r.Major != o.Major {
		return r.Major < o.Major
	}
	return r.Minor < o.Minor
}

func (r Release) String() string { return fmt.Sprintf("%d.%d", r.Major, r.Minor) }
