package programs

import (
	"debug/elf"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var triplet = map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}

// TestClosure looks at the image of each platform by another way than the one
// by which it was made: everything that a program or library asks for is where
// a loader without configuration looks, no link leads nowhere, and all
// platforms have the same programs and libraries.
func TestClosure(t *testing.T) {
	contents := map[string][]string{}
	for _, arch := range Architectures() {
		root := unpacked(t, arch)
		libs := filepath.Join(root, "usr/lib", triplet[arch])
		var names []string
		err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name := strings.TrimPrefix(file, root)
			names = append(names, portable(name, arch))
			if d.Type()&fs.ModeSymlink != 0 {
				checkLink(t, root, name)
				return nil
			}
			checkProgram(t, root, libs, file, machines[arch])
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		checkPapers(t, root)
		slices.Sort(names)
		contents[arch] = names
	}
	amd64, arm64 := contents["amd64"], contents["arm64"]
	if len(amd64) < len(all) {
		t.Fatalf("%d files for %d programs", len(amd64), len(all))
	}
	if diff := cmp.Diff(amd64, arm64); diff != "" {
		t.Errorf("files of the platforms (-amd64 +arm64):\n%s", diff)
	}
}

// portable is a name as it would be on any platform.
func portable(name, arch string) string {
	name = strings.ReplaceAll(name, triplet[arch], "TRIPLET")
	for _, interpreter := range []string{"lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"} {
		name = strings.Replace(name, "/usr/"+interpreter, "INTERPRETER", 1)
		name = strings.Replace(name, "/"+filepath.Base(interpreter), "/LOADER", 1)
	}
	return name
}

func checkLink(t *testing.T, root, name string) {
	t.Helper()
	target, err := os.Readlink(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(name), target)
	}
	if _, err := os.Stat(filepath.Join(root, target)); err != nil {
		t.Errorf("%s leads to %s: %v", name, target, err)
	}
}

func checkProgram(t *testing.T, root, libs, file string, machine elf.Machine) {
	t.Helper()
	f, err := elf.Open(file)
	if err != nil {
		return // a script, or no program at all
	}
	defer func() { _ = f.Close() }()
	if f.Machine != machine {
		t.Errorf("%s is for %s, want %s", file, f.Machine, machine)
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		b := make([]byte, p.Filesz-1) // without its final zero
		if _, err := p.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(filepath.Join(root, string(b))); err != nil {
			t.Errorf("%s is loaded by %s: %v", file, b, err)
		}
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	for _, lib := range needed {
		if _, err := os.Stat(filepath.Join(libs, lib)); err != nil {
			t.Errorf("%s needs %s: %v", file, lib, err)
		}
	}
}

// checkPapers: every package that something is from is named where scanners
// look, with its version, and has its licence.
func checkPapers(t *testing.T, root string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, statusDir))
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]bool{}
	for _, e := range entries {
		packages[e.Name()] = true
		b, err := os.ReadFile(filepath.Join(root, statusDir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"Package: " + e.Name() + "\n", "\nVersion: "} {
			if !strings.Contains(string(b), want) {
				t.Errorf("no %q in\n%s", want, b)
			}
		}
		if _, err := os.Stat(filepath.Join(root, docDir, e.Name(), "copyright")); err != nil {
			t.Error(err)
		}
	}
	// The last two kmod opens only for a compressed module.
	for _, want := range []string{"mount", "e2fsprogs", "xfsprogs", "kmod", "libc6", "liblzma5", "libzstd1"} {
		if !packages[want] {
			t.Errorf("no package %s among %v", want, slices.Sorted(maps.Keys(packages)))
		}
	}
}
