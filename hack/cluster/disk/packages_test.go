package disk

import "testing"

func TestUnneeded(t *testing.T) {
	for name, want := range map[string]bool{
		"perl-base": true, "libpython3.11-minimal": true, "passwd": true, "dpkg": true,
		"libpam0g": false, "libselinux1": false, "containerd": false, "libnvme1": false, "libc6": false,
	} {
		if got := unneeded.MatchString(name); got != want {
			t.Errorf("%s is unneeded: %t, want %t", name, got, want)
		}
	}
}
