package loader

import (
	"debug/elf"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	libs   = "usr/lib/x86_64-linux-gnu/"
	ld     = "/lib64/ld-linux-x86-64.so.2"
	ldName = "ld-linux-x86-64.so.2"
)

// debian is the start of a root as Debian has it since /usr is merged.
func debian(more map[string]any) map[string]any {
	files := map[string]any{
		"lib":                  link("usr/lib"),
		"lib64":                link("usr/lib64"),
		"usr/lib64/" + ldName:  link("../lib/x86_64-linux-gnu/" + ldName),
		libs + ldName:          program{},
		libs + "libc.so.6":     program{needed: []string{ldName}},
		libs + "libmount.so.1": link("libmount.so.1.1.0"),
		libs + "libmount.so.1.1.0": program{
			needed: []string{"libblkid.so.1", "libc.so.6"},
		},
		libs + "libblkid.so.1": program{needed: []string{"libc.so.6"}},
	}
	for name, content := range more {
		files[name] = content
	}
	return files
}

// want is a library as tests write it: where the loader finds it, and what the
// file is called in the root.
func shown(root string, found []Library) []string {
	var all []string
	for _, l := range found {
		all = append(all, strings.TrimPrefix(l.Path, "/"+libs)+" = "+strings.TrimPrefix(l.Host, root+"/")+l.Interpreter)
	}
	return all
}

func TestNeeds(t *testing.T) {
	loader := ldName + " = " + libs + ldName + ld
	libc := "libc.so.6 = " + libs + "libc.so.6"
	for name, tt := range map[string]struct {
		program any
		more    map[string]any
		want    []string
	}{
		"of libraries in turn, each once": {
			program: program{interp: ld, needed: []string{"libmount.so.1", "libc.so.6"}},
			want:    []string{loader, "libmount.so.1 = " + libs + "libmount.so.1.1.0", "libblkid.so.1 = " + libs + "libblkid.so.1", libc},
		},
		"what is opened later": {
			program: program{interp: ld, needed: []string{"libc.so.6"}, dlopen: `[
				{"soname": ["libzstd.so.1", "libzstd.so.0"], "priority": "recommended"},
				{"soname": ["liblzma.so.5"], "priority": "recommended"},
				{"soname": ["libqr.so.4"], "priority": "suggested"}]`},
			more: map[string]any{libs + "libzstd.so.1": program{}, libs + "libqr.so.4": program{}},
			want: []string{loader, libc, "libzstd.so.1 = " + libs + "libzstd.so.1"},
		},
		"in a folder of its own": {
			program: program{needed: []string{"libown.so"}, runPath: "$ORIGIN/../lib/own"},
			more:    map[string]any{"usr/lib/own/libown.so": program{}},
			want:    []string{"libown.so = usr/lib/own/libown.so"},
		},
		"in a configured folder": {
			program: program{needed: []string{"libopt.so"}},
			more: map[string]any{
				"etc/ld.so.conf":            "# local ones\ninclude ld.so.conf.d/*.conf\n",
				"etc/ld.so.conf.d/opt.conf": "/opt/lib\n",
				"opt/lib/libopt.so":         program{},
			},
			want: []string{"libopt.so = opt/lib/libopt.so"},
		},
		"past another machine's": {
			program: program{needed: []string{"libx.so"}, runPath: "/usr/lib/arm"},
			more: map[string]any{
				"usr/lib/arm/libx.so": program{machine: elf.EM_AARCH64},
				libs + "libx.so":      program{},
			},
			want: []string{"libx.so = " + libs + "libx.so"},
		},
		"through absolute links, within the root": {
			program: program{needed: []string{"libalt.so"}},
			more: map[string]any{
				libs + "libalt.so":         link("/etc/alternatives/libalt"),
				"etc/alternatives/libalt":  link("/usr/lib/alt/../alt/libalt.so.1"),
				"usr/lib/alt/libalt.so.1":  program{},
				"usr/lib/alt/unrelated.so": program{},
			},
			want: []string{"libalt.so = usr/lib/alt/libalt.so.1"},
		},
		"nothing, if static": {program: program{}},
		"nothing, if a script": {
			program: "#!/bin/sh\n",
		},
		"nothing, if empty": {program: ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := debian(tt.more)
			files["usr/bin/program"] = tt.program
			root := tree(t, files)
			r, err := Open(root, elf.EM_X86_64)
			if err != nil {
				t.Fatal(err)
			}
			found, err := r.Needs(filepath.Join(root, "usr/bin/program"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, shown(root, found)); diff != "" {
				t.Errorf("libraries (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNeedsForeign looks at another machine's files on this one.
func TestNeedsForeign(t *testing.T) {
	const arm = elf.EM_AARCH64
	root := tree(t, map[string]any{
		"lib":                           link("usr/lib"),
		"usr/lib/ld-linux-aarch64.so.1": link("aarch64-linux-gnu/ld-linux-aarch64.so.1"),
		"usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1": program{machine: arm},
		"usr/lib/aarch64-linux-gnu/libc.so.6":             program{machine: arm, needed: []string{"ld-linux-aarch64.so.1"}},
		"usr/bin/mount":                                   program{machine: arm, interp: "/lib/ld-linux-aarch64.so.1", needed: []string{"libc.so.6"}},
	})
	r, err := Open(root, arm)
	if err != nil {
		t.Fatal(err)
	}
	found, err := r.Needs(filepath.Join(root, "usr/bin/mount"))
	if err != nil {
		t.Fatal(err)
	}
	dir := "/usr/lib/aarch64-linux-gnu"
	want := []Library{
		{Path: dir + "/ld-linux-aarch64.so.1", Host: root + dir + "/ld-linux-aarch64.so.1", Interpreter: "/lib/ld-linux-aarch64.so.1"},
		{Path: dir + "/libc.so.6", Host: root + dir + "/libc.so.6"},
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("libraries (-want +got):\n%s", diff)
	}
}

func TestNeedsFails(t *testing.T) {
	for name, tt := range map[string]struct {
		program program
		more    map[string]any
		want    string
	}{
		"missing":           {program{needed: []string{"libnot.so.1"}}, nil, "needs the library libnot.so.1"},
		"missing in turn":   {program{needed: []string{"libx.so"}}, map[string]any{libs + "libx.so": program{needed: []string{"liby.so"}}}, "libx.so needs the library liby.so"},
		"missing later":     {program{dlopen: `[{"soname":["libz.so"],"priority":"required"}]`}, nil, "needs the library libz.so"},
		"no loader":         {program{interp: "/lib/ld-musl.so"}, nil, "its loader"},
		"foreign":           {program{machine: elf.EM_AARCH64}, nil, "is built for EM_AARCH64, not for EM_X86_64"},
		"links in a circle": {program{needed: []string{"liba.so"}}, map[string]any{libs + "liba.so": link("libb.so"), libs + "libb.so": link("liba.so")}, "needs the library liba.so"},
		"a note in no JSON": {program{dlopen: `libz.so`}, nil, dlopenSection},
	} {
		t.Run(name, func(t *testing.T) {
			files := debian(tt.more)
			files["usr/bin/program"] = tt.program
			root := tree(t, files)
			r, err := Open(root, elf.EM_X86_64)
			if err != nil {
				t.Fatal(err)
			}
			if found, err := r.Needs(filepath.Join(root, "usr/bin/program")); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, error %v; want one with %q", shown(root, found), err, tt.want)
			}
		})
	}
}
