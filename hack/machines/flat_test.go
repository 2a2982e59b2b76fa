package machines

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/debian"
	"github.com/braid-csi/braid/hack/kernel"
)

// flatKernel is the kernel whose NVMe modules are built with testdata/flat.patch,
// and flatSource the Debian package with their source.
const (
	flatKernel = "6.1-general"
	flatSource = "linux-source-6.1"
	flatKbuild = "linux-kbuild-6.1"
)

// flatModules are loaded in this order.
var flatModules = []string{"nvme-core", "nvme-fabrics", "nvme-tcp"}

// TestBPFFlatAttribute runs the scenario (e2e/flat_test.go) with the attribute
// of the patch that came before Linux 7.2, which no kernel of a distribution
// has: so Debian's modules are built anew with it. They have no BTF, so that
// braid-node's program is attached by a kprobe. It takes gcc-12, make and patch.
func TestBPFFlatAttribute(t *testing.T) {
	modules, err := buildFlat(t.Context(), t.TempDir(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	r, err := machine{
		kernel: flatKernel, binary: compile(t, "machines"), add: []string{modules + "=/flat"},
		timeout: 10 * time.Minute, artifacts: artifacts(t, "flat"),
	}.run(t.Context(), "^TestFlatAttribute$", "")
	if err != nil {
		t.Error(err)
	}
	t.Logf("kernel %s with patched modules is %s", flatKernel, r.about)
	for _, e := range r.ends {
		t.Logf("%s: %s after %s\n%s", e.name, e.result, e.took, e.output)
		if e.result != "PASS" {
			t.Errorf("%s: %s", e.name, e.result)
		}
	}
}

// buildFlat returns a folder with the patched modules for the kernel in the
// cache. They are built once for each release.
func buildFlat(ctx context.Context, work string, progress func(string, ...any)) (modules string, err error) {
	release, err := flatRelease(ctx, progress)
	if err != nil {
		return "", err
	}
	if modules, err = filepath.Abs(filepath.Join(bin, "flat-"+release)); err != nil {
		return "", err
	}
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	common, ok := strings.CutSuffix(release, "-amd64")
	if !ok {
		return "", fmt.Errorf("kernel %s: modules are built for amd64 only", release)
	}
	apt, err := debian.Open(ctx, filepath.Join(work, "apt"), debian.Suite{Name: "bookworm", Security: true})
	if err != nil {
		return "", err
	}
	packages := []string{"linux-headers-" + release, "linux-headers-" + common + "-common", flatKbuild, flatSource}
	progress("downloading %d MB for the modules of %s", apt.Size(ctx, packages)/1_000_000, release)
	if _, err := apt.Fetch(ctx, packages, work); err != nil {
		return "", err
	}
	script := fmt.Sprintf(flatScript, release, flatSource, strings.Join(flatModules, " "))
	cmd := exec.CommandContext(ctx, "sh", "-ec", script)
	cmd.Dir = work
	patch, err := os.Open("testdata/flat.patch")
	if err != nil {
		return "", err
	}
	defer patch.Close()
	cmd.Stdin = patch
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the modules of %s: %w\n%s", release, err, out)
	}
	return modules, exec.CommandContext(ctx, "cp", "-r", filepath.Join(work, "modules"), modules).Run()
}

// flatScript takes the patch from its standard input.
const flatScript = `
headers=$PWD/usr/src/linux-headers-%s
tar -xf usr/src/%s.tar.xz --strip-components=1 --one-top-level=source --wildcards '*/drivers/nvme/host/*'
patch -d source -p1
sed -i "s#/usr/src/#$PWD/usr/src/#" $headers/Makefile
make -C $headers M=$PWD/source/drivers/nvme/host CONFIG_BLK_DEV_NVME=n CONFIG_NVME_RDMA=n CONFIG_NVME_FC=n CONFIG_NVME_APPLE=n modules
mkdir modules
for m in %s; do
	strip --strip-debug -o modules/$m.ko source/drivers/nvme/host/$m.ko
done
`

func flatRelease(ctx context.Context, progress func(string, ...any)) (string, error) {
	spec, err := kernel.Lookup(flatKernel)
	if err != nil {
		return "", err
	}
	cache, err := kernel.DefaultDir()
	if err != nil {
		return "", err
	}
	k, err := kernel.NewCache(cache, progress).Get(ctx, spec)
	if err != nil {
		return "", err
	}
	return k.Release, nil
}
