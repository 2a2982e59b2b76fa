package loader

import (
	"debug/elf"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// isELF tells programs from scripts and other files, which may be shorter than
// the four bytes looked at.
func isELF(host string) (bool, error) {
	f, err := os.Open(host)
	if err != nil {
		return false, err
	}
	defer f.Close()
	magic := make([]byte, len(elf.ELFMAG))
	n, err := f.Read(magic)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return string(magic[:n]) == elf.ELFMAG, nil
}

func interpreter(f *elf.File) string {
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b := make([]byte, p.Filesz)
			if _, err := p.ReadAt(b, 0); err == nil {
				return strings.TrimRight(string(b), "\x00")
			}
		}
	}
	return ""
}

// runPath is where the program itself says its libraries are.
func runPath(f *elf.File) []string {
	var dirs []string
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		values, _ := f.DynString(tag)
		for _, v := range values {
			dirs = append(dirs, filepath.SplitList(v)...)
		}
	}
	return dirs
}
