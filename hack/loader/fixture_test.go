package loader

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// program is an ELF file that says what it needs, and has no code.
type program struct {
	machine elf.Machine // zero: EM_X86_64
	interp  string
	needed  []string
	runPath string
	dlopen  string // JSON of a note
}

// encode lays the file out as header, segments, sections' content, sections.
func (p program) encode() []byte {
	if p.machine == 0 {
		p.machine = elf.EM_X86_64
	}
	const headerSize, segmentSize = 64, 56
	var segments []elf.Prog64
	body := []byte(p.interp)
	bodyAt := uint64(headerSize + segmentSize)
	if p.interp != "" {
		segments = append(segments, elf.Prog64{Type: uint32(elf.PT_INTERP), Off: bodyAt, Filesz: uint64(len(p.interp))})
	}
	strings, dynamic := p.dynamic()
	names := "\x00.dynstr\x00.dynamic\x00" + dlopenSection + "\x00.shstrtab\x00"
	name := func(of string) uint32 { return uint32(bytes.Index([]byte(names), []byte(of+"\x00"))) }
	sections := []elf.Section64{{}}
	add := func(of string, kind elf.SectionType, link uint32, content []byte) {
		sections = append(sections, elf.Section64{
			Name: name(of), Type: uint32(kind), Link: link, Off: bodyAt + uint64(len(body)), Size: uint64(len(content)),
		})
		body = append(body, content...)
	}
	add(".dynstr", elf.SHT_STRTAB, 0, strings)
	add(".dynamic", elf.SHT_DYNAMIC, 1, dynamic)
	add(".shstrtab", elf.SHT_STRTAB, 0, []byte(names))
	namesAt := len(sections) - 1
	if p.dlopen != "" {
		add(dlopenSection, elf.SHT_NOTE, 0, encodeNote(dlopenType, dlopenOwner, p.dlopen))
	}
	header := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_DYN), Machine: uint16(p.machine), Version: uint32(elf.EV_CURRENT), Ehsize: headerSize,
		Phoff: headerSize, Phentsize: segmentSize, Phnum: uint16(len(segments)),
		Shoff: bodyAt + uint64(len(body)), Shentsize: 64, Shnum: uint16(len(sections)), Shstrndx: uint16(namesAt),
	}
	out := append(little(header), make([]byte, segmentSize)...)
	copy(out[headerSize:], little(segments))
	return append(append(out, body...), little(sections)...)
}

func (p program) dynamic() (strings, dynamic []byte) {
	strings = []byte{0}
	entry := func(tag elf.DynTag, value string) {
		dynamic = append(dynamic, little(elf.Dyn64{Tag: int64(tag), Val: uint64(len(strings))})...)
		strings = append(append(strings, value...), 0)
	}
	for _, n := range p.needed {
		entry(elf.DT_NEEDED, n)
	}
	if p.runPath != "" {
		entry(elf.DT_RUNPATH, p.runPath)
	}
	return strings, append(dynamic, little(elf.Dyn64{})...)
}

func encodeNote(kind uint32, owner, content string) []byte {
	pad := func(s string) string { return s + string(make([]byte, align(len(s))-len(s))) }
	header := little([]uint32{uint32(len(owner)), uint32(len(content)), kind})
	return append(header, pad(owner)+pad(content)...)
}

func little(v any) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, v) // a buffer takes everything
	return b.Bytes()
}

// tree writes files, links and programs below a new folder.
func tree(t *testing.T, files map[string]any) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch c := content.(type) {
		case link:
			err = os.Symlink(string(c), file)
		case string:
			err = os.WriteFile(file, []byte(c), 0o644)
		case program:
			err = os.WriteFile(file, c.encode(), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

type link string
