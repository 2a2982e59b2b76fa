package vm

import (
	"fmt"
	"strings"
)

// disk is a block device the guest cannot write to, so machines can share it.
func disk(i int, file string) []string {
	file = strings.ReplaceAll(file, ",", ",,") // QEMU's own quoting
	return []string{
		"-drive", fmt.Sprintf("if=none,id=disk%d,format=raw,readonly=on,file=%s", i, file),
		"-device", fmt.Sprintf("virtio-blk-pci,drive=disk%d", i),
	}
}

// network connects an open tap interface. Without romfile= QEMU wants to load
// a boot program that is another package.
func network(fd int) []string {
	return []string{
		"-netdev", fmt.Sprintf("tap,id=net,fd=%d", fd),
		"-device", "virtio-net-pci,netdev=net,romfile=",
	}
}
