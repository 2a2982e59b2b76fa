package kernel

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/braid-csi/braid/hack/debian"
)

// Cache keeps unpacked kernels:
//
//	kernels/RELEASE/         complete: only ever renamed into place
//	kernels/SPEC             link to the release the spec was last resolved to
//	kernels/.new-*           a download in progress, or one that was interrupted
//	kernels/.lock            held while anything here changes
type Cache struct {
	dir string
	// progress tells the user what takes long; nothing is said when warm.
	progress func(format string, args ...any)
}

// NewCache keeps kernels below dir, the test bed's cache folder.
func NewCache(dir string, progress func(format string, args ...any)) *Cache {
	return &Cache{dir: filepath.Join(dir, "kernels"), progress: progress}
}

// DefaultDir is $BRAID_CACHE, or braid in the user's cache folder.
func DefaultDir() (string, error) {
	if dir := os.Getenv("BRAID_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder, set BRAID_CACHE: %w", err)
	}
	return filepath.Join(dir, "braid"), nil
}

// Get returns the kernel of a spec: from the cache if it is there, whatever
// the archive has by now, else downloaded.
func (c *Cache) Get(ctx context.Context, spec Spec) (*Kernel, error) {
	if k, err := c.open(spec); err == nil {
		return k, nil
	}
	unlock, err := c.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if k, err := c.open(spec); err == nil {
		return k, nil // another process was faster
	}
	return c.install(ctx, spec)
}

// Update resolves the spec anew, and downloads what it stands for today unless
// that release is already here.
func (c *Cache) Update(ctx context.Context, spec Spec) (*Kernel, error) {
	unlock, err := c.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	return c.install(ctx, spec)
}

// open reads what the spec's link points to. A release that the spec does not
// accept (an older Braid may have left it) counts as absent.
func (c *Cache) open(spec Spec) (*Kernel, error) {
	k, err := open(filepath.Join(c.dir, spec.Name))
	if err != nil {
		return nil, err
	}
	return k, spec.accept(k.Release)
}

func (c *Cache) install(ctx context.Context, spec Spec) (*Kernel, error) {
	fail := func(err error) (*Kernel, error) {
		return nil, fmt.Errorf("kernel %q from Debian %s: %w", spec.Name, spec.Suite, err)
	}
	c.sweep()
	tmp, err := os.MkdirTemp(c.dir, ".new-")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // sweep would find it

	c.progress("kernel %s: asking Debian %s for %s", spec.Name, spec.Suite, spec.Package)
	apt, err := debian.Open(ctx, filepath.Join(tmp, "apt"), debian.Suite{Name: spec.Suite, Security: spec.Security})
	if err != nil {
		return fail(err)
	}
	release, err := resolve(ctx, apt, spec.Package)
	if err != nil {
		return fail(err)
	}
	if err := spec.accept(release); err != nil {
		return nil, err
	}
	if _, err := open(filepath.Join(c.dir, release)); err != nil {
		if err := c.download(ctx, apt, tmp, release); err != nil {
			return fail(err)
		}
	}
	if err := c.point(spec, tmp, release); err != nil {
		return fail(err)
	}
	return c.open(spec)
}

// download brings a release into the cache.
func (c *Cache) download(ctx context.Context, apt *debian.Archive, tmp, release string) error {
	names, err := packages(ctx, apt, release)
	if err != nil {
		return err
	}
	c.progress("kernel %s: downloading %d MB", release, apt.Size(ctx, names)/1_000_000)
	unpacked := filepath.Join(tmp, "unpacked")
	if _, err := apt.Fetch(ctx, names, unpacked); err != nil {
		return err
	}
	c.progress("kernel %s: unpacking", release)
	dir := filepath.Join(tmp, release)
	if err := arrange(ctx, unpacked, dir, release); err != nil {
		return err
	}
	final := filepath.Join(c.dir, release)
	if err := os.RemoveAll(final); err != nil { // damaged, or it would not be fetched again
		return err
	}
	return os.Rename(dir, final)
}

// point makes the spec's link name the release, in one step.
func (c *Cache) point(spec Spec, tmp, release string) error {
	link := filepath.Join(tmp, "link")
	if err := os.Symlink(release, link); err != nil {
		return err
	}
	return os.Rename(link, filepath.Join(c.dir, spec.Name))
}

// sweep removes what interrupted downloads left: under the lock nobody else's
// can be in progress.
func (c *Cache) sweep() {
	left, _ := filepath.Glob(filepath.Join(c.dir, ".new-*"))
	for _, dir := range left {
		_ = os.RemoveAll(dir) // in nobody's way, and the next one tries again
	}
}

// lock keeps two processes from downloading the same kernel twice. The kernel
// drops it when the process ends, however it ends.
func (c *Cache) lock() (unlock func(), err error) {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, fmt.Errorf("kernel cache: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(c.dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("kernel cache: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}
