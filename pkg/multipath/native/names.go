package native

import "regexp"

// objectKind is what a name in sysfs stands for.
type objectKind int

const (
	kindOther objectKind = iota
	kindController
	kindHead
)

var (
	controllerName = regexp.MustCompile(`^nvme[0-9]+$`)
	headName       = regexp.MustCompile(`^nvme[0-9]+n[0-9]+$`)
	// pathName holds the subsystem's, the controller's and the head's
	// instance. The last is not the NSID.
	pathName = regexp.MustCompile(`^(nvme[0-9]+)c[0-9]+(n[0-9]+)$`)
)

func kind(name string) objectKind {
	switch {
	case controllerName.MatchString(name):
		return kindController
	case headName.MatchString(name):
		return kindHead
	}
	return kindOther
}

// headOfPath returns the head that a path's hidden disk belongs to:
// nvme0c1n2 belongs to nvme0n2.
func headOfPath(name string) (string, bool) {
	m := pathName.FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	return m[1] + m[2], true
}
