package lab

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/braid-csi/braid/hack/rig/remote"
)

// evidence are the objects that are kept as they were.
const evidence = "nodes,csinodes,csidrivers,persistentvolumes,persistentvolumeclaims,pods,volumeattachments," +
	"nvmepathsets,nvmepathremediations,nvmepathmaintenances,leases.coordination.k8s.io,daemonsets,deployments,events," +
	"validatingadmissionpolicies,validatingadmissionpolicybindings"

// Keep writes into a folder what shows how things were: the node's kernel, its
// raw sysfs, the version of the server, the objects as YAML and Braid's logs.
// when is part of the files' names. It goes on after an error.
func (l *Lab) Keep(ctx context.Context, dir, when string, r *remote.Rig) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	write := func(name, content string, err error) error {
		return errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	command := func(name string, args ...string) error {
		c, err := l.Run(ctx, args...)
		return write(name, c.Output, err)
	}
	kernel, err := l.Node.Run(ctx, "uname", "-a")
	errs := []error{
		write("kernel.txt", kernel, err),
		command("version.json", "kubectl", "get", "--raw=/version"),
		command(when+"-objects.yaml", "kubectl", "get", evidence, "--all-namespaces", "--output=yaml"),
		write(when+"-logs.txt", l.BraidLogs(ctx, 10_000), nil),
	}
	if r != nil {
		tree, err := r.Tree(ctx)
		errs = append(errs, write(when+"-sysfs.txt", tree, err))
	}
	return errors.Join(errs...)
}
