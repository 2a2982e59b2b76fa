package volume

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxOption is the longest mount option; the kernel takes one page for all.
const maxOption = 512

// selinuxContext is the one option whose value may have a comma: mount(8)
// wants it quoted, and kubelet writes it so (CSIDriver's seLinuxMount).
var selinuxContext = regexp.MustCompile(`^(fs|def|root)?context="[A-Za-z0-9_:.,-]+"$`)

// refusedOptions are mount options that would mount something else, somewhere
// else, or use a second device, and those that mount(8) acts upon itself.
var refusedOptions = map[string]string{
	"bind": "binds a directory instead of mounting the device", "rbind": "binds a directory instead of mounting the device",
	"move": "moves another mount", "remount": "changes another mount",
	"loop": "mounts a loop device instead of the device", "offset": "belongs to a loop device",
	"sizelimit": "belongs to a loop device", "encryption": "belongs to a loop device",
	"private": "changes the propagation", "rprivate": "changes the propagation",
	"shared": "changes the propagation", "rshared": "changes the propagation",
	"slave": "changes the propagation", "rslave": "changes the propagation",
	"unbindable": "changes the propagation", "runbindable": "changes the propagation",
	"journal_dev": "names another device", "journal_path": "names another device",
	"logdev": "names another device", "rtdev": "names another device",
	"verity": "names other devices", "helper": "runs a program", "uhelper": "runs a program",
}

// CheckFSType returns an error unless volumes may have the file system.
func CheckFSType(fsType string) error {
	if fsType == Ext4 || fsType == XFS {
		return nil
	}
	return fmt.Errorf("%w: %q is none of %s", ErrUnsupported, fsType, strings.Join(FSTypes(), ", "))
}

// CheckMountOption returns an error unless o is one mount option that changes
// how, and not what or where, is mounted.
func CheckMountOption(o string) error {
	switch {
	case o == "":
		return fmt.Errorf("%w: an empty mount option", ErrUnsupported)
	case len(o) > maxOption:
		return fmt.Errorf("%w: a mount option of %d bytes, at most %d are allowed", ErrUnsupported, len(o), maxOption)
	case !utf8.ValidString(o) || strings.ContainsFunc(o, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		return fmt.Errorf("%w: mount option %q has a space or a control character", ErrUnsupported, o)
	case selinuxContext.MatchString(o):
		return nil
	case strings.ContainsAny(o, `,"\`):
		return fmt.Errorf("%w: mount option %q has a comma, a quote or a backslash", ErrUnsupported, o)
	}
	name, _, _ := strings.Cut(o, "=")
	name = strings.ToLower(name)
	if why, refused := refusedOptions[name]; refused {
		return fmt.Errorf("%w: mount option %q %s", ErrUnsupported, o, why)
	}
	// x-mount.mkdir, X-mount.subdir, verity.roothash and the like are for
	// mount(8) and may create or mount something else.
	if strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "verity.") {
		return fmt.Errorf("%w: mount option %q is for mount(8), not for the file system", ErrUnsupported, o)
	}
	return nil
}
