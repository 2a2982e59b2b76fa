// Package kernel provides the stock Debian kernels the test bed boots.
//
// A kernel is named by a short spec, resolved to a package when it is first
// asked for, unpacked into a cache and from then on used without a network.
package kernel

import (
	"fmt"
	"strings"
)

// Default is the spec used when nobody asks for another one.
const Default = "newest"

// suiteOfDefault is another name for it: where its kernel comes from.
const suiteOfDefault = "sid"

// Spec says which Debian package a kernel comes from. The package is a meta
// package: which release it stands for is decided by the archive on the day of
// the download, because mirrors drop old releases.
type Spec struct {
	// Name is what the user writes: the cache keeps kernels under it.
	Name string
	// Suite is the Debian suite whose package is taken.
	Suite string
	// Security adds the security archive of the suite, where the updates of a
	// stable release appear, and newer kernels for it first.
	Security bool
	// Package is the meta package.
	Package string
	// AtLeast is the oldest release this spec may resolve to. The failover
	// counters appeared in 7.2, so an older "newest" would make tests lie.
	AtLeast Release
	// Below, if not zero, is the first release that is too new.
	Below Release
}

// The cloud flavour is a third of the size of the general one and has all of
// NVMe over TCP: host, target, native multipath and null_blk. What it has built
// in, nvme_core for one, are modules in the general flavour.
const (
	cloudPackage  = "-cloud"
	generalSuffix = "-general"
)

var specs = []Spec{
	{Name: "newest", Suite: suiteOfDefault, Package: "linux-image-cloud-amd64", AtLeast: Release{7, 2}},
	{Name: "6.12", Suite: "bookworm", Security: true, Package: "linux-image-6.12-cloud-amd64", AtLeast: Release{6, 12}, Below: Release{6, 13}},
	{Name: "6.1", Suite: "bookworm", Security: true, Package: "linux-image-cloud-amd64", AtLeast: Release{6, 1}, Below: Release{6, 2}},
}

// Lookup returns the spec of that name; the empty name is the default. With
// "-general" behind it is the general flavour of the same release.
func Lookup(name string) (Spec, error) {
	base, general := strings.CutSuffix(name, generalSuffix)
	if base == "" || base == suiteOfDefault {
		base = Default
	}
	for _, s := range specs {
		if s.Name != base {
			continue
		}
		if general {
			s.Name += generalSuffix
			s.Package = strings.Replace(s.Package, cloudPackage, "", 1)
		}
		return s, nil
	}
	return Spec{}, fmt.Errorf("no kernel spec %q: there are %s, each also as NAME%s", name, strings.Join(Names(), ", "), generalSuffix)
}

// Names lists the specs there are, in the flavour that is used for most.
func Names() []string {
	names := make([]string, 0, len(specs))
	for _, s := range specs {
		names = append(names, s.Name)
	}
	return names
}

// accept fails when the archive offers a kernel this spec must not resolve to.
func (s Spec) accept(release string) error {
	r, err := ParseRelease(release)
	if err != nil {
		return err
	}
	if r.Less(s.AtLeast) {
		return fmt.Errorf("kernel %q needs at least %s, but Debian %s offers %s as %s", s.Name, s.AtLeast, s.Suite, release, s.Package)
	}
	if s.Below != (Release{}) && !r.Less(s.Below) {
		return fmt.Errorf("kernel %q needs a release below %s, but Debian %s offers %s as %s", s.Name, s.Below, s.Suite, release, s.Package)
	}
	return nil
}
