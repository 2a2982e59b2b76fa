package programs

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/braid-csi/braid/hack/cluster/cache"
	"github.com/braid-csi/braid/hack/debian"
)

// suite is the Debian release that the programs come from. What mkfs makes
// does not depend on it: pkg/volume spells all features out.
var suite = debian.Suite{Name: "trixie", Security: true}

// names are the packages with the programs. Their libraries come with them.
var names = []string{
	"mount", "util-linux", "e2fsprogs", "xfsprogs", "kmod", "dash", "coreutils", "base-files",
}

// unneeded are packages that are needed to install the others, or to run
// programs of theirs that nobody calls here. A library that is missed after
// all makes the build fail.
var unneeded = regexp.MustCompile(`python|perl|^libicu|^libglib|^libpam|^libdb|^libsystemd|^libsqlite|^libstdc` +
	`|^(dpkg|tar|debconf|debianutils|dmsetup|libdevmapper.*|logsave|media-types|netbase|tzdata|openssl-provider-legacy)$`)

// source is Debian's packages, unpacked.
type source struct {
	root     string
	packages []debian.Package
}

// record is the file beside the unpacked packages that says which they are.
const record = "packages.json"

// fetch returns the packages for an architecture, which come from the cache
// once they are there.
func fetch(ctx context.Context, store cache.Store, arch string, renew bool) (source, error) {
	from := suite
	from.Arch = arch
	key := fmt.Sprintf("%s-%s-%s", from.Name, arch, cache.Key(append(names, unneeded.String())...))
	get := store.Get
	if renew {
		get = store.Renew
	}
	dir, err := get(ctx, "programs", key, func(ctx context.Context, dir string) error {
		store.Progress("image: downloading Debian packages for %s", arch)
		return unpack(ctx, from, dir)
	})
	if err != nil {
		return source{}, err
	}
	s := source{root: rootOf(dir)}
	b, err := os.ReadFile(filepath.Join(dir, record))
	if err != nil {
		return source{}, err
	}
	if err := json.Unmarshal(b, &s.packages); err != nil {
		return source{}, fmt.Errorf("%s: %w", filepath.Join(dir, record), err)
	}
	return s, nil
}

func rootOf(dir string) string { return filepath.Join(dir, "root") }

// unpack fills an entry of the cache.
func unpack(ctx context.Context, from debian.Suite, dir string) error {
	work := filepath.Join(dir, "work")
	packages, err := debian.Packages(ctx, from, names, unneeded.MatchString, work, rootOf(dir))
	if err != nil {
		return err
	}
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	if err := debian.MergeUsr(rootOf(dir)); err != nil {
		return err
	}
	b, err := json.Marshal(packages)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, record), b, 0o644)
}
