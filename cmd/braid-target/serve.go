package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/target"
	"github.com/braid-csi/braid/pkg/target/control"
)

// addresses is a flag that may be given more than once.
type addresses []netip.AddrPort

func (a *addresses) String() string { return fmt.Sprint(*a) }

func (a *addresses) Set(s string) error {
	id, err := nvme.ParseAddress(s)
	if err != nil {
		return err
	}
	p, err := netip.ParseAddrPort(id.Address())
	*a = append(*a, p)
	return err
}

// parseServe returns what to serve and where to take orders.
func parseServe(args []string) (cfg target.Config, socket string, err error) {
	f := flag.NewFlagSet("braid-target serve", flag.ContinueOnError)
	var listen addresses
	size := target.Bytes(64 << 20)
	f.StringVar(&socket, "control", controlSocket, "unix `socket` that takes orders, faults for instance; empty for none")
	config := f.String("config", "", "JSON `file` that describes the whole target; the flags below are for one namespace without it")
	nqn := f.String("nqn", "nqn.2026-11.dev.braid:target", "`NQN` of the subsystem")
	uuid := f.String("uuid", "", "`UUID` of the namespace (required)")
	file := f.String("file", "", "regular file or block device to serve; empty for memory")
	f.Var(&size, "size", "`size` of a namespace in memory, such as 64MiB")
	f.Var(&listen, "listen", "`address` of a port, ADDRESS:PORT; may be repeated (required)")
	klog.InitFlags(f)
	if err := f.Parse(args); err != nil {
		return cfg, "", err
	}
	if f.NArg() > 0 {
		return cfg, "", fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if *config != "" {
		cfg, err = readConfig(f, *config)
		return cfg, socket, err
	}
	id, err := nvme.ParseNamespaceID(nvme.UUID, *uuid)
	switch {
	case *uuid == "":
		return cfg, "", errors.New("-uuid is required: hosts know the namespace by it")
	case err != nil:
		return cfg, "", fmt.Errorf("-uuid: %w", err)
	case len(listen) == 0:
		return cfg, "", errors.New("-listen is required")
	}
	n := target.NamespaceConfig{NSID: 1, IDs: []nvme.NamespaceID{id}, File: *file}
	if *file == "" {
		n.Size = size
	}
	cfg.Subsystems = []target.SubsystemConfig{{NQN: nvme.NQN(*nqn), Namespaces: []target.NamespaceConfig{n}}}
	for i, a := range listen {
		cfg.Ports = append(cfg.Ports, target.PortConfig{ID: uint16(i + 1), Address: a})
	}
	return cfg, socket, cfg.Validate()
}

// readConfig reads the file, in which flags for a single namespace have no
// place.
func readConfig(f *flag.FlagSet, name string) (cfg target.Config, err error) {
	f.Visit(func(given *flag.Flag) {
		if strings.Contains(" nqn uuid file size listen ", " "+given.Name+" ") {
			err = errors.Join(err, fmt.Errorf("-%s: %s has it already", given.Name, name))
		}
	})
	if err != nil {
		return cfg, err
	}
	file, err := os.Open(name)
	if err != nil {
		return cfg, fmt.Errorf("-config: %w", err)
	}
	defer file.Close()
	if cfg, err = target.ParseConfig(file); err != nil {
		return cfg, fmt.Errorf("-config: %s: %w", name, err)
	}
	return cfg, nil
}

// serve serves until ctx ends.
func serve(ctx context.Context, args []string, _ io.Writer) (err error) {
	cfg, socket, err := parseServe(args)
	if err != nil {
		return err
	}
	t, err := target.Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	for _, p := range t.State().Ports {
		klog.FromContext(ctx).Info("Listening", "port", p.ID, "address", p.Address)
	}
	if socket == "" {
		<-ctx.Done()
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		return fmt.Errorf("-control: %w", err)
	}
	l, err := control.Listen(socket)
	if err != nil {
		return fmt.Errorf("-control: %w", err)
	}
	return control.Serve(ctx, l, t)
}
