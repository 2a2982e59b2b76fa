// Package loader finds what a program is loaded with: the dynamic loader and
// the shared libraries. It reads files and runs none of them, so the programs
// may be another machine's.
package loader

import (
	"debug/elf"
	"fmt"
	"path"
)

// Root is a folder with a root file system for one kind of machine.
type Root struct {
	dir     string
	machine elf.Machine
	libs    string
}

// triplets are the names that Debian's folders of libraries have.
var triplets = map[elf.Machine]string{
	elf.EM_X86_64:  "x86_64-linux-gnu",
	elf.EM_AARCH64: "aarch64-linux-gnu",
}

// Open looks at the root file system in dir, which may be "/".
func Open(dir string, machine elf.Machine) (Root, error) {
	triplet, ok := triplets[machine]
	if !ok {
		return Root{}, fmt.Errorf("no library folder is known for %s", machine)
	}
	return Root{dir: dir, machine: machine, libs: "/usr/lib/" + triplet}, nil
}

// Library is a file that a program needs in order to start.
type Library struct {
	// Path is where the loader finds it without any configuration.
	Path string
	// Host is where the file is here.
	Host string
	// Interpreter, in the case of the loader itself, is the path by which the
	// kernel looks for it (PT_INTERP).
	Interpreter string
}

// Needs lists what a program, a file on this machine, is loaded with, and what
// that is loaded with in turn, each once. What is not an ELF file (a script)
// or is linked statically needs nothing.
func (r Root) Needs(program string) ([]Library, error) {
	s := search{root: r, seen: map[string]bool{}}
	if err := s.add(program); err != nil {
		return nil, err
	}
	return s.found, nil
}

// search is what was found so far.
type search struct {
	root  Root
	seen  map[string]bool // names of libraries
	found []Library
}

func (s *search) add(host string) error {
	program, err := isELF(host)
	if err != nil || !program {
		return err
	}
	f, err := elf.Open(host)
	if err != nil {
		return fmt.Errorf("%s: %w", host, err)
	}
	defer func() { _ = f.Close() }()
	if f.Machine != s.root.machine {
		return fmt.Errorf("%s is built for %s, not for %s", host, f.Machine, s.root.machine)
	}
	if err := s.addInterpreter(f, host); err != nil {
		return err
	}
	libraries, err := asksFor(f)
	if err != nil {
		return fmt.Errorf("%s: %w", host, err)
	}
	for _, w := range libraries {
		if err := s.addLibrary(f, host, w); err != nil {
			return err
		}
	}
	return nil
}

// asksFor lists what a file is linked with, and what it opens later.
func asksFor(f *elf.File) ([]wanted, error) {
	needed, err := f.ImportedLibraries()
	if err != nil {
		return nil, err
	}
	var all []wanted
	for _, name := range needed {
		all = append(all, wanted{name: name})
	}
	opened, err := dlopened(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dlopenSection, err)
	}
	return append(all, opened...), nil
}

// addInterpreter comes before the libraries, most of which ask for the loader
// as well, as one of them.
func (s *search) addInterpreter(f *elf.File, host string) error {
	at := interpreter(f)
	if at == "" || s.seen[path.Base(at)] {
		return nil
	}
	file, err := s.root.resolve(at)
	if err != nil {
		return fmt.Errorf("%s: its loader: %w", host, err)
	}
	s.seen[path.Base(at)] = true
	s.found = append(s.found, Library{Path: path.Join(s.root.libs, path.Base(at)), Host: file, Interpreter: at})
	return nil
}

func (s *search) addLibrary(user *elf.File, host string, w wanted) error {
	if s.seen[w.name] {
		return nil
	}
	for _, file := range s.root.candidates(user, host, w.name) {
		if !s.root.builtFor(file) {
			continue
		}
		s.seen[w.name] = true
		s.found = append(s.found, Library{Path: path.Join(s.root.libs, w.name), Host: file})
		return s.add(file)
	}
	if w.optional {
		return nil
	}
	return fmt.Errorf("%s needs the library %s, which is not in %s", host, w.name, s.root.dir)
}

// builtFor reports whether a file is a library for this machine: others are
// passed over, as the loader does.
func (r Root) builtFor(file string) bool {
	f, err := elf.Open(file)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return f.Machine == r.machine
}
