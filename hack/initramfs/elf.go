package initramfs

import (
	"debug/elf"
	"path/filepath"

	"github.com/braid-csi/braid/hack/loader"
)

// Program adds a host program and the shared libraries it needs. What is not
// an ELF file (a script) is added alone. All libraries go to the folder the
// dynamic loader searches by default, so the guest needs no ld.so.cache.
func (t *Tree) Program(name, host string) error {
	host, err := filepath.EvalSymlinks(host)
	if err != nil {
		return err
	}
	if err := t.File(name, host); err != nil {
		return err
	}
	machine, err := loader.Open("/", elf.EM_X86_64)
	if err != nil {
		return err
	}
	libraries, err := machine.Needs(host)
	if err != nil {
		return err
	}
	for _, lib := range libraries {
		if lib.Interpreter != "" {
			t.Link(lib.Interpreter, lib.Path)
		}
		if err := t.File(lib.Path, lib.Host); err != nil {
			return err
		}
	}
	return nil
}
