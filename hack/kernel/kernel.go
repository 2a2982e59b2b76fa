package kernel

import (
	"fmt"
	"os"
	"path/filepath"
)

// Kernel is an unpacked kernel. Its folder has one layout whatever package it
// came from:
//
//	vmlinuz
//	config
//	lib/modules/RELEASE/   uncompressed modules with depmod's indexes
type Kernel struct {
	// Release is what uname -r prints when it runs.
	Release string
	dir     string
}

// Image is the file to boot.
func (k *Kernel) Image() string { return filepath.Join(k.dir, "vmlinuz") }

// Modules is the folder a guest has as /lib/modules/RELEASE.
func (k *Kernel) Modules() string { return filepath.Join(k.dir, "lib/modules", k.Release) }

// open reads an unpacked kernel's folder, which is named after its release.
func open(dir string) (*Kernel, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	k := &Kernel{Release: filepath.Base(dir), dir: dir}
	for _, need := range []string{k.Image(), filepath.Join(k.Modules(), "modules.dep.bin")} {
		if _, err := os.Stat(need); err != nil {
			return nil, fmt.Errorf("kernel %s: %w", k.Release, err)
		}
	}
	return k, nil
}
