// Package disk makes the disk a node boots from: Debian's containerd and its
// surroundings, the programs of Kubernetes and a kernel's modules.
package disk

import (
	"context"
	"os"
	"path/filepath"
	"regexp"

	"github.com/braid-csi/braid/hack/cluster/cache"
	"github.com/braid-csi/braid/hack/debian"
)

// suite is the Debian release that a node's programs come from.
var suite = debian.Suite{Name: "bookworm", Security: true}

// packages are a node's: what kubelet and containerd call, and what helps whoever
// looks around in it. etcd runs outside, and saves a download of its own here.
var packages = []string{
	"containerd", "runc", "containernetworking-plugins", "etcd-server",
	"bash", "dash", "coreutils", "grep", "sed", "findutils", "tar", "procps", "busybox-static",
	"mount", "util-linux", "kmod", "e2fsprogs", "iproute2", "nftables", "nvme-cli",
}

// unneeded are packages that others need to be installed, but not to run.
var unneeded = regexp.MustCompile(`perl|python|^libsem|^libsepol|^libpam-modules|^libgdbm|^libdb5|` +
	`^(usrmerge|dpkg|debconf|adduser|passwd|base-files|init-system-helpers|media-types|libnsl2|libsqlite3-0|` +
	`uuid-runtime|mawk|debianutils|gcc-12-base|iptables|readline-common|libaudit-common|netbase|logsave|util-linux-extra)$`)

// Packages returns a folder with the node's Debian packages unpacked, which
// comes from the cache once it is there.
func Packages(ctx context.Context, store cache.Store) (string, error) {
	key := suite.Name + "-" + cache.Key(append(packages, unneeded.String())...)
	return store.Get(ctx, "debian", key, func(ctx context.Context, dir string) error {
		store.Progress("node: downloading Debian packages, 70 MB")
		work := filepath.Join(dir, "work")
		if _, err := debian.Packages(ctx, suite, packages, unneeded.MatchString, work, dir); err != nil {
			return err
		}
		if err := os.RemoveAll(work); err != nil {
			return err
		}
		for _, name := range []string{"usr/share/doc", "usr/share/man", "usr/share/locale"} {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
		return debian.MergeUsr(dir)
	})
}
