package volume

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/klog/v2"
	"k8s.io/mount-utils"
	"k8s.io/utils/exec"
)

// FileSystem says how a device shall be mounted.
type FileSystem struct {
	Type     string   // Ext4 or XFS
	Options  []string // mount options
	ReadOnly bool
}

// mountOptions returns everything that mount is told.
func (fs FileSystem) mountOptions() []string {
	options := slices.Clone(fs.Options)
	if fs.Type == XFS {
		// A clone has the UUID of its origin; xfs mounts only one of them
		// without this.
		options = append(options, "nouuid")
	}
	if fs.ReadOnly {
		options = append(options, "ro")
	}
	return options
}

// Mount mounts a device's file system at the directory path, formatting the
// device if it is empty and fs is not read-only. It does nothing if just this
// is mounted there already.
func (v *Volumes) Mount(ctx context.Context, dev Device, path string, fs FileSystem) error {
	if err := CheckFSType(fs.Type); err != nil {
		return err
	}
	for _, o := range fs.Options {
		if err := CheckMountOption(o); err != nil {
			return err
		}
	}
	fs.ReadOnly = fs.ReadOnly || slices.Contains(fs.Options, "ro")
	want := Mount{Path: path, DevNum: dev.DevNum, FSType: fs.Type, ReadOnly: fs.ReadOnly}
	return v.change(ctx, path, func() error {
		have, ok, err := v.Staged(path)
		switch {
		case err != nil:
			return err
		case ok:
			return have.Matches(want)
		}
		if err := v.formatAndMount(klog.FromContext(ctx), dev, path, fs); err != nil {
			return err
		}
		if err := v.confirm(want); err != nil {
			return errors.Join(err, v.unmountAll(path))
		}
		return nil
	})
}

// formatAndMount mounts a device at a path where nothing is mounted.
func (v *Volumes) formatAndMount(logger klog.Logger, dev Device, path string, fs FileSystem) error {
	if err := v.check(dev); err != nil {
		return err
	}
	ours, err := v.xfsUUIDFor(dev.DevNum)
	if err != nil {
		return err
	}
	run, err := v.formatter(logger, dev, fs, ours)
	if err != nil {
		return err
	}
	err = mount.NewSafeFormatAndMount(v.sys.Mounter, run).FormatAndMountSensitiveWithFormatOptions(
		dev.Path, path, fs.Type, fs.mountOptions(), nil, v.formatOptions(fs.Type, ours))
	var failed mount.MountError
	if errors.As(err, &failed) && failed.Type == mount.HasFilesystemErrors {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// formatter decides whether a device is formatted, and returns what runs
// programs: mkfs too only if the device is empty. ours is the UUID by which an
// xfs that was begun here is known.
func (v *Volumes) formatter(logger klog.Logger, dev Device, fs FileSystem, ours uuid) (exec.Interface, error) {
	content, err := v.content(dev.Path)
	if err != nil {
		return nil, err
	}
	unfinished := false
	if content == XFS && fs.Type == XFS {
		if unfinished, err = unfinishedXFS(dev.Path, ours); err != nil {
			return nil, err
		}
	}
	logger = logger.WithValues("device", dev.Path, "devNum", dev.DevNum, "fsType", fs.Type)
	switch {
	case (content == "" || unfinished) && fs.ReadOnly:
		return nil, fmt.Errorf("%w: %s", ErrEmptyReadOnly, dev.Path)
	case unfinished:
		logger.Info("Formatting a device again on which mkfs was interrupted")
		return v.sys.Exec, discardUnfinishedXFS(dev.Path)
	case content == "":
		logger.Info("Formatting an empty device")
		return v.sys.Exec, nil
	case content != fs.Type:
		return nil, fmt.Errorf("%w: %s holds %s, %s was asked for", ErrForeignContent, dev.Path, content, fs.Type)
	}
	// mount-utils asks blkid again, and a device that cannot be read this time
	// must not look empty.
	return noFormat{v.sys.Exec}, nil
}

// noFormat runs commands, but no mkfs.
type noFormat struct{ exec.Interface }

func (n noFormat) Command(name string, args ...string) exec.Cmd {
	return n.CommandContext(context.Background(), name, args...)
}

func (n noFormat) CommandContext(ctx context.Context, name string, args ...string) exec.Cmd {
	if strings.HasPrefix(name, "mkfs") {
		name, args = "false", nil
	}
	return n.Interface.CommandContext(ctx, name, args...)
}

// rawName is the file in the staging directory to which a raw device is bound.
const rawName = "device"

// StageRaw binds a device's node to a file in the directory dir, so that the
// kernel's mount table tells which device is staged there.
func (v *Volumes) StageRaw(ctx context.Context, dev Device, dir string) error {
	want := Mount{Path: filepath.Join(dir, rawName), DevNum: dev.DevNum}
	return v.change(ctx, dir, func() error {
		have, ok, err := v.Staged(dir)
		switch {
		case err != nil:
			return err
		case ok:
			return have.Matches(want)
		}
		if err := v.check(dev); err != nil {
			return err
		}
		return v.bind(dev.Path, want)
	})
}

// Staged returns what Mount or StageRaw put at dir.
func (v *Volumes) Staged(dir string) (m Mount, ok bool, err error) {
	// What is below a mounted file system belongs to its user.
	if m, ok, err = v.Mounted(dir); ok || err != nil {
		return m, ok, err
	}
	return v.Mounted(filepath.Join(dir, rawName))
}

// Unstage undoes Mount and StageRaw and leaves dir itself. Nothing being there
// is fine.
func (v *Volumes) Unstage(ctx context.Context, dir string) error {
	return v.change(ctx, dir, func() error {
		// In this order: until the file system is gone, a file with the raw
		// device's name would be the user's.
		if err := v.unmountAll(dir); err != nil {
			return err
		}
		raw := filepath.Join(dir, rawName)
		if err := v.unmountAll(raw); err != nil {
			return err
		}
		return removeFile(raw)
	})
}
