package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/braid-csi/braid/hack/cluster"
	"github.com/braid-csi/braid/hack/kernel"
)

func parse(command string, args []string) (cluster.Config, []string, error) {
	cfg := cluster.Config{Progress: progress}
	f := flag.NewFlagSet("braid-cluster "+command, flag.ContinueOnError)
	f.StringVar(&cfg.Kernel, "kernel", os.Getenv("BRAID_KERNEL"), "the node's kernel `spec`: "+strings.Join(kernel.Names(), ", "))
	f.BoolVar(&cfg.ControlPlaneOnly, "control-plane-only", false, "start no node")
	f.StringVar(&cfg.Logs, "o", "", "`folder` for all logs; without one they go with the cluster")
	f.IntVar(&cfg.Memory, "mem", 4096, "memory of the node in `MiB`")
	f.IntVar(&cfg.Verbosity, "v", 2, "how much the kubelet logs")
	f.Func("gates", "feature `gates`, comma-separated: CSIVolumeHealth=true", func(s string) (err error) {
		cfg.FeatureGates, err = parseGates(s)
		return err
	})
	f.Func("image", "`tarball` of images for the node; may be repeated", func(s string) error {
		cfg.Images = append(cfg.Images, s)
		return nil
	})
	err := f.Parse(args)
	return cfg, f.Args(), err
}

func parseGates(s string) (map[string]bool, error) {
	gates := map[string]bool{}
	for g := range strings.SplitSeq(s, ",") {
		name, value, _ := strings.Cut(g, "=")
		on, err := strconv.ParseBool(value)
		if err != nil {
			return nil, fmt.Errorf("gate %q: want NAME=true or NAME=false", g)
		}
		gates[name] = on
	}
	return gates, nil
}
