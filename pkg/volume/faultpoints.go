//go:build faultpoints

package volume

import (
	"context"
	"slices"
	"strings"

	"k8s.io/mount-utils"
	"k8s.io/utils/exec"

	"github.com/braid-csi/braid/pkg/faultpoint"
)

// withFaultpoints puts a fault point before whatever the package has the system
// do. Only builds for tests do that.
func withFaultpoints(s System) System {
	bind := s.Bind
	s.Bind = func(source, target string, readOnly bool) error {
		faultpoint.Before("bind", target)
		return bind(source, target, readOnly)
	}
	s.Mounter, s.Exec = mounter{s.Mounter}, programs{s.Exec}
	return s
}

// mounter has a fault point before each mount and unmount that Braid makes.
type mounter struct{ mount.Interface }

func (m mounter) MountSensitive(source, target, fsType string, options, sensitive []string) error {
	faultpoint.Before("mount", target)
	return m.Interface.MountSensitive(source, target, fsType, options, sensitive)
}

func (m mounter) Unmount(target string) error {
	faultpoint.Before("unmount", target)
	return m.Interface.Unmount(target)
}

// programs has one before each program, but for those that only look.
type programs struct{ exec.Interface }

var looking = []string{"blkid", "blockdev", "dumpe2fs", "xfs_io"}

func (p programs) Command(name string, args ...string) exec.Cmd {
	return p.CommandContext(context.Background(), name, args...)
}

func (p programs) CommandContext(ctx context.Context, name string, args ...string) exec.Cmd {
	if !slices.Contains(looking, name) && len(args) > 0 {
		faultpoint.Before("run "+name, strings.Join(args, " "))
	}
	return p.Interface.CommandContext(ctx, name, args...)
}
