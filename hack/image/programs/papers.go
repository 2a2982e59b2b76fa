package programs

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/braid-csi/braid/hack/debian"
)

// papers adds, for every package that something was picked from, what belongs
// to its files: the name and version, where scanners read them in images
// without dpkg, and the licence.
func (p *picker) papers() error {
	packages, err := p.owners()
	if err != nil {
		return err
	}
	common := map[string]bool{}
	for _, pkg := range packages {
		p.files.Content(path.Join(statusDir, pkg.Name), []byte(pkg.Control), 0o644)
		name := path.Join(docDir, pkg.Name, "copyright")
		licence, err := os.ReadFile(filepath.Join(p.root, name))
		if err != nil {
			return fmt.Errorf("the licence of %s: %w", pkg.Name, err)
		}
		p.files.Content(name, licence, 0o644)
		for _, name := range commonLicence.FindAllString(string(licence), -1) {
			common[strings.TrimRight(name, ".")] = true
		}
	}
	for name := range common {
		file, err := filepath.EvalSymlinks(filepath.Join(p.root, name)) // GPL is GPL-3
		if errors.Is(err, fs.ErrNotExist) {
			continue // a name in a text, which nobody has checked
		}
		if err != nil {
			return err
		}
		if err := p.files.File(name, file); err != nil {
			return err
		}
	}
	return nil
}

const (
	statusDir = "/var/lib/dpkg/status.d"
	docDir    = "/usr/share/doc"
)

// commonLicence finds the licences that copyright files refer to.
var commonLicence = regexp.MustCompile(`/usr/share/common-licenses/[A-Za-z0-9.+-]+`)

// owners are the packages that something was picked from.
func (p *picker) owners() ([]debian.Package, error) {
	owner := map[string]int{}
	for i, pkg := range p.packages {
		for _, name := range pkg.Files {
			owner[merged("/"+name)] = i
		}
	}
	owners := map[int]bool{}
	for name := range p.picked {
		i, ok := owner[merged(name)]
		if !ok {
			return nil, fmt.Errorf("%s is in no package", name)
		}
		owners[i] = true
	}
	var packages []debian.Package
	for _, i := range slices.Sorted(maps.Keys(owners)) {
		packages = append(packages, p.packages[i])
	}
	return packages, nil
}
