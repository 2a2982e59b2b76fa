// Package configfs writes the kernel's configfs: folders are objects, files
// their attributes. Errors name the object and the attribute.
package configfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Root is where a guest has configfs.
const Root = "/sys/kernel/config"

// Object is one folder.
type Object string

// Child is an object below o.
func (o Object) Child(elem ...string) Object {
	return Object(filepath.Join(append([]string{string(o)}, elem...)...))
}

// Make creates the object in the kernel.
func (o Object) Make() error { return os.Mkdir(string(o), 0o755) }

// Remove destroys it; that it does not exist is fine.
func (o Object) Remove() error { return gone(os.Remove(string(o))) }

// Set writes an attribute. There is no line feed: some attributes keep it.
func (o Object) Set(attribute string, value any) error {
	text := fmt.Sprint(value)
	f, err := os.OpenFile(filepath.Join(string(o), attribute), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		return fmt.Errorf("setting %q: %w", text, err)
	}
	return nil
}

// Get reads an attribute.
func (o Object) Get(attribute string) (string, error) {
	b, err := os.ReadFile(filepath.Join(string(o), attribute))
	return strings.TrimSpace(string(b)), err
}

// Link makes a link called name in o that points to other.
func (o Object) Link(name string, other Object) error {
	return os.Symlink(string(other), filepath.Join(string(o), name))
}

// Unlink removes such a link; that it does not exist is fine.
func (o Object) Unlink(name string) error {
	return gone(os.Remove(filepath.Join(string(o), name)))
}

func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Modprobe loads the modules whose objects are wanted.
func Modprobe(args ...string) error {
	if out, err := exec.Command("modprobe", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("modprobe %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
