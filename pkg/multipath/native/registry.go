package native

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/braid-csi/braid/pkg/faultpoint"
	"github.com/braid-csi/braid/pkg/multipath"
)

// epochFile is Braid's attribute beside the owner: which life of the
// controller the entry speaks of.
const epochFile = "braid-epoch"

// registry is the record of who connected which controller, shared by the
// tools of a node (nvme-cli 3: one directory a controller, one file an
// attribute, in /run, so that it ends with the boot as controllers do).
type registry struct{ dir string }

// owner returns who connected the controller of that name and epoch, or ""
// where nobody says so.
func (r registry) owner(name, epoch string) (string, error) {
	who, err := r.read(name, "owner")
	if err != nil || who != multipath.Owner {
		return who, err
	}
	// Instance names are reused: an entry of ours about an earlier controller
	// says nothing about this one.
	if written, err := r.read(name, epochFile); err != nil || written != epoch {
		return "", err
	}
	return multipath.Owner, nil
}

// claim signs a controller as Braid's. The files are written in place: /run
// does not outlive the boot, and whoever dies here leaves no file but these.
// One that is empty or missing signs nothing, and the epoch comes first, so a
// claim that was cut short is none.
func (r registry) claim(name, epoch string) error {
	faultpoint.Before("make", filepath.Join(r.dir, name))
	if err := os.MkdirAll(filepath.Join(r.dir, name), 0o755); err != nil {
		return err
	}
	for _, f := range []struct{ name, value string }{{epochFile, epoch}, {"owner", multipath.Owner}} {
		path := filepath.Join(r.dir, name, f.name)
		faultpoint.Before("write", path)
		if err := os.WriteFile(path, []byte(f.value+"\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// forget removes Braid's entry of a controller that is gone. One about another
// epoch is about a controller that has taken over the name.
func (r registry) forget(name, epoch string) error {
	who, err := r.owner(name, epoch)
	if err != nil || who != multipath.Owner {
		return err
	}
	faultpoint.Before("remove", filepath.Join(r.dir, name))
	return os.RemoveAll(filepath.Join(r.dir, name))
}

// sweep removes Braid's entries of controllers that do not exist. The kernel
// gives some up by itself and others delete some, and what is connected in
// their place may get another name.
func (r registry) sweep(exists func(name string) bool) error {
	entries, err := os.ReadDir(r.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var errs []error
	for _, e := range entries {
		if exists(e.Name()) {
			continue
		}
		if who, err := r.read(e.Name(), "owner"); err != nil || who != multipath.Owner {
			errs = append(errs, err)
			continue
		}
		faultpoint.Before("remove", filepath.Join(r.dir, e.Name()))
		errs = append(errs, os.RemoveAll(filepath.Join(r.dir, e.Name())))
	}
	return errors.Join(errs...)
}

func (r registry) read(name, attribute string) (string, error) {
	s, err := newAttributes(r.dir).read(name, attribute)
	if errors.Is(err, errGone) {
		return "", nil
	}
	return s, err
}
