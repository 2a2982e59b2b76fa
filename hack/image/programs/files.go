package programs

import (
	"context"
	"debug/elf"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/braid-csi/braid/hack/cluster/cache"
	"github.com/braid-csi/braid/hack/image"
	"github.com/braid-csi/braid/hack/loader"
)

// machines are the architectures there are images for.
var machines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64,
	"arm64": elf.EM_AARCH64,
}

// Architectures lists them by their names, which Go and Debian share.
func Architectures() []string { return slices.Sorted(maps.Keys(machines)) }

// Files returns the programs with all they need, for an architecture. Packages
// come from the cache, or from Debian's mirror if there are none or if they are
// to be renewed.
func Files(ctx context.Context, store cache.Store, arch string, renew bool) (*image.Files, error) {
	machine, ok := machines[arch]
	if !ok {
		return nil, fmt.Errorf("no programs for %s: there are %s", arch, strings.Join(Architectures(), ", "))
	}
	from, err := fetch(ctx, store, arch, renew)
	if err != nil {
		return nil, err
	}
	files, err := from.files(machine)
	if err != nil {
		return nil, fmt.Errorf("programs for %s: %w", arch, err)
	}
	return files, nil
}

// files picks from the packages.
func (s source) files(machine elf.Machine) (*image.Files, error) {
	root, err := loader.Open(s.root, machine)
	if err != nil {
		return nil, err
	}
	p := picker{source: s, loader: root, files: image.NewFiles(), picked: map[string]bool{}}
	for _, program := range all {
		if err := p.program(program.path); err != nil {
			return nil, fmt.Errorf("%s: %w", program.path, err)
		}
	}
	for _, name := range slices.Concat(configs, []string{osRelease}) {
		if err := p.file(name); err != nil {
			return nil, err
		}
	}
	p.files.Link("/etc/os-release", ".."+osRelease)
	p.skeleton()
	return p.files, p.papers()
}
