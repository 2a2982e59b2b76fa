package initramfs

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Modules is what a guest can load: the whole of NVMe over TCP, back ends for
// the target, file systems, and the network between host and target. The ones
// a kernel has built in, or does not have, are skipped.
var Modules = []string{
	"nvme-core", "nvme-fabrics", "nvme-tcp", "nvmet", "nvmet-tcp", "nvme-loop",
	"null_blk", "brd", "loop", "ublk_drv", "scsi_debug",
	"dm-mod", "dm-delay", "dm-flakey", "dm-log-writes",
	"ext4", "xfs", "overlay",
	"veth", "dummy", "sch_netem", "sch_ingress", "sch_prio", "cls_u32", "cls_flower", "cls_matchall", "cls_bpf", "act_gact", "act_bpf",
	"inet_diag", "tcp_diag", "nf_tables",
	"configfs", "virtio_pci", "virtio_console", "virtio-rng",
	"crc32c_generic", "crc32c_cryptoapi", "crc32c-intel",
}

// indexes are what modprobe reads. They speak of all modules of the kernel;
// asking for one that was left out fails as a missing file.
var indexes = []string{
	"modules.alias.bin", "modules.builtin.alias.bin", "modules.builtin.bin", "modules.builtin.modinfo",
	"modules.dep.bin", "modules.softdep", "modules.symbols.bin",
}

// KernelModules adds the named modules and those they depend on from dir, a
// /lib/modules/RELEASE folder with depmod's indexes.
func (t *Tree) KernelModules(dir, release string, names []string) error {
	deps, err := readDependencies(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return fmt.Errorf("modules of %s: %w", release, err)
	}
	to := path.Join("/usr/lib/modules", release)
	for _, name := range names {
		for _, file := range deps[canonical(name)] {
			if err := t.File(path.Join(to, file), filepath.Join(dir, file)); err != nil {
				return err
			}
		}
	}
	for _, index := range indexes {
		if host := filepath.Join(dir, index); exists(host) {
			if err := t.File(path.Join(to, index), host); err != nil {
				return err
			}
		}
	}
	return nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// canonical is a module's name as the kernel writes it: dashes and underscores
// in file names are one and the same.
func canonical(name string) string { return strings.ReplaceAll(name, "-", "_") }

// readDependencies maps each module to its file and all the files it needs,
// directly or not, which is how depmod writes them.
func readDependencies(name string) (map[string][]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	deps := map[string][]string{}
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		file, rest, ok := strings.Cut(s.Text(), ":")
		if !ok {
			continue
		}
		module := strings.TrimSuffix(path.Base(file), ".ko")
		deps[canonical(module)] = append([]string{file}, strings.Fields(rest)...)
	}
	return deps, s.Err()
}
