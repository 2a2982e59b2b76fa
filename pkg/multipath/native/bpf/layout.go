package bpf

import (
	"fmt"
	"math"

	"github.com/cilium/ebpf/btf"
)

// layout is where the running kernel keeps what the program follows, as byte
// offsets.
type layout struct {
	queue   int16 // of q in struct request
	disk    int16 // of disk in struct request_queue
	diskseq int16 // of diskseq in struct gendisk
	// argument is that of a function's first argument in struct pt_regs, where
	// a kprobe finds it.
	argument int16
}

// firstArgument is the member of struct pt_regs that holds a function's first
// argument, by GOARCH.
var firstArgument = map[string]string{"amd64": "di", "arm64": "regs"}

// layoutOf looks up in a kernel's types what a program for a hook needs.
func layoutOf(kernel *btf.Spec, h Hook, arch string) (layout, error) {
	var l layout
	type member struct {
		of, name string
		offset   *int16
	}
	members := []member{
		{"request", "q", &l.queue},
		{"request_queue", "disk", &l.disk},
		{"gendisk", "diskseq", &l.diskseq},
	}
	if h == Kprobe {
		name, ok := firstArgument[arch]
		if !ok {
			return layout{}, fmt.Errorf("where %s has a function's first argument is not known", arch)
		}
		members = append(members, member{"pt_regs", name, &l.argument})
	}
	for _, m := range members {
		var err error
		if *m.offset, err = offsetOf(kernel, m.of, m.name); err != nil {
			return layout{}, err
		}
	}
	return l, nil
}

// offsetOf returns where a member of a struct begins. Every member asked for
// is eight bytes wide, or begins with eight that are.
func offsetOf(kernel *btf.Spec, structure, member string) (int16, error) {
	var s *btf.Struct
	if err := kernel.TypeByName(structure, &s); err != nil {
		return 0, fmt.Errorf("struct %s in the kernel's BTF: %w", structure, err)
	}
	bits, ok := find(s.Members, member)
	switch {
	case !ok:
		return 0, fmt.Errorf("struct %s of this kernel has no member %q", structure, member)
	case bits%8 != 0:
		return 0, fmt.Errorf("member %q of struct %s is a bit field", member, structure)
	case bits/8 > math.MaxInt16:
		return 0, fmt.Errorf("member %q of struct %s is too far in, at %d", member, structure, bits/8)
	}
	return int16(bits / 8), nil
}

// find looks for a member, also in unnamed structs and unions.
func find(members []btf.Member, name string) (bits btf.Bits, ok bool) {
	for _, m := range members {
		if m.Name == name {
			return m.Offset, true
		}
		if m.Name != "" {
			continue
		}
		var inner []btf.Member
		switch t := btf.UnderlyingType(m.Type).(type) {
		case *btf.Struct:
			inner = t.Members
		case *btf.Union:
			inner = t.Members
		}
		if bits, ok := find(inner, name); ok {
			return m.Offset + bits, true
		}
	}
	return 0, false
}
