package kernel

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Stable is the Debian release that programs come from, where a test needs
// other ones than the machine has.
var Stable = Spec{Suite: "bookworm", Security: true}

// Packages downloads packages and those they depend on, and unpacks them below
// root. Nothing is installed: no script of a package runs. The packages that
// skip names are left out, and work is for apt's files.
func Packages(ctx context.Context, from Spec, names []string, skip func(name string) bool, work, root string) error {
	a, err := newArchive(filepath.Join(work, "apt"), from, machineMirrors("/"))
	if err != nil {
		return err
	}
	if err := a.update(ctx); err != nil {
		return err
	}
	all, err := a.closure(ctx, names)
	if err != nil {
		return err
	}
	if all = slices.DeleteFunc(all, skip); len(all) == 0 {
		return fmt.Errorf("no packages left of %s", strings.Join(names, " "))
	}
	return a.fetch(ctx, all, root)
}

// closure lists what a machine without any package would have to install.
func (a *archive) closure(ctx context.Context, names []string) ([]string, error) {
	out, err := a.run(ctx, "apt-get", append([]string{"install", "--simulate", "--no-install-recommends"}, names...)...)
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Inst" {
			all = append(all, f[1])
		}
	}
	return all, nil
}
