package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/braid-csi/braid/hack/image/programs"
)

// options are what the command line asks for.
type options struct {
	platforms []string // linux/ARCH
	version   string
	name      string // without a tag
	out       string
	push      string // empty: nowhere
	update    bool
	created   time.Time // $SOURCE_DATE_EPOCH
}

// defaultName is where releases are.
const defaultName = "ghcr.io/braid-csi/braid"

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("braid-image", flag.ContinueOnError)
	platforms := f.String("platforms", "linux/amd64,linux/arm64", "`list` of platforms, comma-separated")
	f.StringVar(&o.version, "version", "devel", "`version` of Braid; also the image's tag")
	f.StringVar(&o.name, "name", defaultName, "the image's `name`, without a tag")
	f.StringVar(&o.out, "o", "bin/image", "`folder` for the image")
	f.StringVar(&o.push, "push", "", "push to `registry/repository:tag` too")
	f.BoolVar(&o.update, "update", false, "fetch Debian's packages anew, with their security updates")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	var err error
	if o.platforms, err = parsePlatforms(*platforms); err != nil {
		return o, fmt.Errorf("-platforms: %w", err)
	}
	if _, err = name.NewRepository(o.name); err != nil {
		return o, fmt.Errorf("-name: %w", err)
	}
	if _, err := name.NewTag(o.tag(), name.StrictValidation); err != nil {
		return o, fmt.Errorf("-version: %w", err)
	}
	if o.push != "" {
		if _, err := name.NewTag(o.push, name.StrictValidation); err != nil {
			return o, fmt.Errorf("-push: %w", err)
		}
	}
	if o.out == "" {
		return o, fmt.Errorf("-o: no folder")
	}
	if o.created, err = parseEpoch(os.Getenv(epochVariable)); err != nil {
		return o, fmt.Errorf("$%s: %w", epochVariable, err)
	}
	return o, nil
}

// tag is the image's name with its tag. A version may have build metadata
// (semver.org, 10), after a + that a tag must not have.
func (o options) tag() string {
	return o.name + ":" + strings.ReplaceAll(o.version, "+", "-")
}

func parsePlatforms(s string) ([]string, error) {
	var all []string
	for _, platform := range strings.Split(s, ",") {
		arch, ok := strings.CutPrefix(platform, "linux/")
		if !ok || !slices.Contains(programs.Architectures(), arch) {
			return nil, fmt.Errorf("%q: want linux/%s", platform, strings.Join(programs.Architectures(), " or linux/"))
		}
		if slices.Contains(all, platform) {
			return nil, fmt.Errorf("%s twice", platform)
		}
		all = append(all, platform)
	}
	return all, nil
}

// epochVariable is when an image was made, in seconds since 1970, for whoever
// wants a time in it (reproducible-builds.org/specs/source-date-epoch).
const epochVariable = "SOURCE_DATE_EPOCH"

func parseEpoch(s string) (time.Time, error) {
	if s == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	seconds, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(seconds, 0).UTC(), err
}
