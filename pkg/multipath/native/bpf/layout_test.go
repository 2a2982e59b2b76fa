package bpf

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// types writes a kernel's types down as a kernel does, and reads them back.
func types(t *testing.T, structs ...btf.Type) *btf.Spec {
	t.Helper()
	b, err := btf.NewBuilder(structs, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	u64     = &btf.Int{Name: "u64", Size: 8}
	pointer = &btf.Pointer{Target: &btf.Void{}}
)

func structure(name string, members ...btf.Member) *btf.Struct {
	s := &btf.Struct{Name: name, Members: members}
	for _, m := range members {
		s.Size = max(s.Size, m.Offset.Bytes()+16)
	}
	return s
}

func member(name string, at uint32, t btf.Type) btf.Member {
	return btf.Member{Name: name, Type: t, Offset: btf.Bits(at * 8)}
}

func TestLayout(t *testing.T) {
	request := structure("request", member("mq_ctx", 0, pointer), member("q", 8, pointer))
	queue := structure("request_queue", member("disk", 192, pointer))
	disk := structure("gendisk", member("diskseq", 1040, u64))
	inner := &btf.Union{Size: 16, Members: []btf.Member{
		member("user_regs", 0, u64),
		member("", 0, structure("", member("pc", 0, u64), member("regs", 8, u64))),
	}}
	regs := structure("pt_regs", member("di", 112, u64), member("", 16, inner))
	for _, tc := range []struct {
		name string
		hook Hook
		arch string
		in   []btf.Type
		want layout
		err  string
	}{
		{"fentry", Fentry, "amd64", []btf.Type{request, queue, disk}, layout{8, 192, 1040, 0}, ""},
		{"fentry needs no registers", Fentry, "riscv64", []btf.Type{request, queue, disk}, layout{8, 192, 1040, 0}, ""},
		{"kprobe", Kprobe, "amd64", []btf.Type{request, queue, disk, regs}, layout{8, 192, 1040, 112}, ""},
		{"in an unnamed struct in an unnamed union", Kprobe, "arm64", []btf.Type{request, queue, disk, regs}, layout{8, 192, 1040, 24}, ""},
		{"another architecture", Kprobe, "riscv64", []btf.Type{request, queue, disk, regs}, layout{}, "riscv64"},
		{"no struct", Fentry, "amd64", []btf.Type{request, disk}, layout{}, "struct request_queue in the kernel's BTF"},
		{"no member: Linux 5.14", Fentry, "amd64", []btf.Type{request, queue, structure("gendisk", member("major", 0, u64))}, layout{},
			`struct gendisk of this kernel has no member "diskseq"`},
		{"too far in", Fentry, "amd64", []btf.Type{request, queue, structure("gendisk", member("diskseq", 1<<15, u64))}, layout{}, "at 32768"},
		{"a bit field", Fentry, "amd64", []btf.Type{request, queue, structure("gendisk", btf.Member{Name: "diskseq", Type: u64, Offset: 3})}, layout{}, "bit field"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := layoutOf(types(t, tc.in...), tc.hook, tc.arch)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want one with %q", err, tc.err)
				}
				return
			}
			if err != nil || got != tc.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tc.want)
			}
		})
	}
}

func TestControllerLayout(t *testing.T) {
	states := &btf.Enum{Name: "nvme_ctrl_state", Size: 4, Values: []btf.EnumValue{{Name: "NVME_CTRL_LIVE", Value: 1}, {Name: "NVME_CTRL_RESETTING", Value: 2}}}
	controller := structure("nvme_ctrl", member("device", 24, pointer))
	object := structure("kobject", member("sd", 48, pointer))
	device := structure("device", member("kobj", 16, object))
	node := structure("kernfs_node", member("id", 96, u64))
	for _, tc := range []struct {
		name         string
		kernel, core []btf.Type
		want         controllerLayout
		err          string
	}{
		{"as it is", []btf.Type{device, node}, []btf.Type{controller, states}, controllerLayout{24, 64, 96, 2}, ""},
		{"no such state", []btf.Type{device, node}, []btf.Type{controller, &btf.Enum{Name: "nvme_ctrl_state", Size: 4}}, controllerLayout{}, "NVME_CTRL_RESETTING"},
		{"no controller", []btf.Type{device, node}, []btf.Type{states}, controllerLayout{}, "struct nvme_ctrl in the kernel's BTF"},
		{"no inode", []btf.Type{device, structure("kernfs_node", member("ino", 0, u64))}, []btf.Type{controller, states}, controllerLayout{},
			`struct kernfs_node of this kernel has no member "id"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := controllerLayoutOf(types(t, tc.kernel...), types(t, tc.core...))
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want one with %q", err, tc.err)
				}
				return
			}
			if err != nil || got != tc.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tc.want)
			}
		})
	}
}
