package loader

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
)

// A program may open libraries when it comes to need them, of which its
// dynamic section says nothing. Those that follow
// https://uapi-group.org/specifications/specs/elf_dlopen_metadata/ say it in a
// note: kmod does, about the libraries that decompress modules.
const (
	dlopenSection = ".note.dlopen"
	dlopenOwner   = "FDO\x00"
	dlopenType    = 0x407c0c0a
)

// wanted is a library that a program asks for.
type wanted struct {
	name string
	// optional ones are taken if they are there.
	optional bool
}

// dlopened returns the libraries that a program opens. Those that it merely
// suggests are left out.
func dlopened(f *elf.File) ([]wanted, error) {
	section := f.Section(dlopenSection)
	if section == nil {
		return nil, nil
	}
	data, err := section.Data()
	if err != nil {
		return nil, err
	}
	var all []wanted
	for len(data) > 0 {
		var n note
		if n, data, err = cutNote(data, f); err != nil {
			return nil, err
		}
		if n.kind != dlopenType || n.owner != dlopenOwner {
			continue
		}
		some, err := parseDlopen(n.content)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func parseDlopen(content []byte) ([]wanted, error) {
	var features []struct {
		Priority string
		Soname   []string
	}
	if err := json.Unmarshal(bytes.TrimRight(content, "\x00"), &features); err != nil {
		return nil, err
	}
	var all []wanted
	for _, f := range features {
		if f.Priority == "suggested" || len(f.Soname) == 0 {
			continue
		}
		// Several names are alternatives, the best one first. Without a
		// priority a feature is recommended.
		all = append(all, wanted{name: f.Soname[0], optional: f.Priority != "required"})
	}
	return all, nil
}

// note is an entry of a section of notes (elf(5)).
type note struct {
	kind    uint32
	owner   string
	content []byte
}

var errShortNote = errors.New("a note ends early")

func cutNote(data []byte, f *elf.File) (n note, rest []byte, err error) {
	const header = 12
	if len(data) < header {
		return n, nil, errShortNote
	}
	ownerSize, size := int(f.ByteOrder.Uint32(data)), int(f.ByteOrder.Uint32(data[4:]))
	n.kind = f.ByteOrder.Uint32(data[8:])
	data = data[header:]
	if align(ownerSize) > len(data) || size > len(data)-align(ownerSize) {
		return n, nil, errShortNote
	}
	n.owner, data = string(data[:ownerSize]), data[align(ownerSize):]
	n.content = data[:size]
	return n, data[min(align(size), len(data)):], nil
}

// align rounds up: name and content of a note are padded to four bytes.
func align(n int) int { return (n + 3) &^ 3 }
