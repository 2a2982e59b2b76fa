package initramfs

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Program adds a host program and the shared libraries it needs. What is not
// an ELF file (a script) is added alone.
func (t *Tree) Program(name, host string) error {
	host, err := filepath.EvalSymlinks(host)
	if err != nil {
		return err
	}
	if err := t.File(name, host); err != nil {
		return err
	}
	return t.libraries(host)
}

// libraries adds what the ELF file at host is linked with, and what that is
// linked with in turn. All libraries go to the folder the dynamic loader
// searches by default, so the guest needs no ld.so.cache.
func (t *Tree) libraries(host string) error {
	if program, err := isELF(host); err != nil || !program {
		return err
	}
	f, err := elf.Open(host)
	if err != nil {
		return fmt.Errorf("%s: %w", host, err)
	}
	defer func() { _ = f.Close() }()
	if f.Machine != elf.EM_X86_64 {
		return fmt.Errorf("%s is built for %s, the guest is %s", host, f.Machine, elf.EM_X86_64)
	}
	if loader := interpreter(f); loader != "" && !t.has(loader) {
		file, err := filepath.EvalSymlinks(loader)
		if err != nil {
			return fmt.Errorf("%s: its loader: %w", host, err)
		}
		if err := t.File(loader, file); err != nil {
			return err
		}
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("%s: %w", host, err)
	}
	for _, lib := range needed {
		if err := t.library(f, host, lib); err != nil {
			return err
		}
	}
	return nil
}

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

const libraryDir = "/usr/lib/x86_64-linux-gnu"

func (t *Tree) library(user *elf.File, host, lib string) error {
	to := path.Join(libraryDir, lib)
	if t.has(to) {
		return nil
	}
	for _, dir := range append(runPath(user, host), searchPath("/etc/ld.so.conf")...) {
		file, err := filepath.EvalSymlinks(filepath.Join(dir, lib))
		if err != nil {
			continue
		}
		if err := t.File(to, file); err != nil {
			return err
		}
		return t.libraries(file)
	}
	return fmt.Errorf("%s needs the library %s, which is not on this machine", host, lib)
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
func runPath(f *elf.File, host string) []string {
	var dirs []string
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		values, _ := f.DynString(tag)
		for _, v := range values {
			v = strings.ReplaceAll(v, "$ORIGIN", filepath.Dir(host))
			dirs = append(dirs, filepath.SplitList(v)...)
		}
	}
	return dirs
}

// searchPath is the loader's: ld.so.conf with the files it includes, and the
// built-in folders.
func searchPath(conf string) []string {
	return append(readConf(conf), "/lib/x86_64-linux-gnu", libraryDir, "/lib64", "/usr/lib64", "/lib", "/usr/lib")
}

func readConf(name string) []string {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	var dirs []string
	for s := bufio.NewScanner(f); s.Scan(); {
		line, _, _ := strings.Cut(s.Text(), "#")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 2 && fields[0] == "include":
			pattern := fields[1]
			if !filepath.IsAbs(pattern) {
				pattern = filepath.Join(filepath.Dir(name), pattern)
			}
			files, _ := filepath.Glob(pattern)
			slices.Sort(files)
			for _, file := range files {
				dirs = append(dirs, readConf(file)...)
			}
		case len(fields) == 1:
			dirs = append(dirs, fields[0])
		}
	}
	return dirs
}
