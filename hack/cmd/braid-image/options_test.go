package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	type parsed struct {
		Platforms []string
		Tag, Push string
		Update    bool
		Created   time.Time
	}
	begin := time.Unix(0, 0).UTC()
	both := []string{"linux/amd64", "linux/arm64"}
	for name, tt := range map[string]struct {
		args  []string
		epoch string
		want  parsed
	}{
		"defaults":   {want: parsed{both, "ghcr.io/braid-csi/braid:devel", "", false, begin}},
		"a platform": {args: []string{"-platforms", "linux/arm64"}, want: parsed{both[1:], "ghcr.io/braid-csi/braid:devel", "", false, begin}},
		"a name": {
			args: []string{"-name", "localhost/braid", "-version", "v1.2.3-4-gabc"},
			want: parsed{both, "localhost/braid:v1.2.3-4-gabc", "", false, begin},
		},
		"a version no tag can have": {
			args: []string{"-version", "v1.2.3+build.5"},
			want: parsed{both, "ghcr.io/braid-csi/braid:v1.2.3-build.5", "", false, begin},
		},
		"everything": {
			args:  []string{"-update", "-push", "registry.example:5000/storage/braid:v1"},
			epoch: "1795000000",
			want:  parsed{both, "ghcr.io/braid-csi/braid:devel", "registry.example:5000/storage/braid:v1", true, time.Unix(1795000000, 0).UTC()},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(epochVariable, tt.epoch)
			o, err := parse(tt.args)
			if err != nil {
				t.Fatal(err)
			}
			got := parsed{o.platforms, o.tag(), o.push, o.update, o.created}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseFails(t *testing.T) {
	for name, tt := range map[string]struct {
		args  []string
		epoch string
		want  string
	}{
		"another platform":  {args: []string{"-platforms", "linux/s390x"}, want: `-platforms: "linux/s390x": want linux/amd64 or linux/arm64`},
		"another system":    {args: []string{"-platforms", "darwin/arm64"}, want: `-platforms: "darwin/arm64"`},
		"a platform twice":  {args: []string{"-platforms", "linux/arm64,linux/arm64"}, want: "-platforms: linux/arm64 twice"},
		"no platform":       {args: []string{"-platforms", ""}, want: `-platforms: ""`},
		"a bad name":        {args: []string{"-name", "Braid!"}, want: "-name: "},
		"a name with a tag": {args: []string{"-name", "localhost/braid:v1"}, want: "-name: "},
		"a bad version":     {args: []string{"-version", "v 1"}, want: "-version: "},
		"no version":        {args: []string{"-version", ""}, want: "-version: "},
		"push to no tag":    {args: []string{"-push", "registry.example/braid"}, want: "-push: "},
		"no folder":         {args: []string{"-o", ""}, want: "-o: "},
		"more words":        {args: []string{"push"}, want: `unexpected argument "push"`},
		"a bad time":        {epoch: "yesterday", want: "$SOURCE_DATE_EPOCH: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(epochVariable, tt.epoch)
			if o, err := parse(tt.args); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%+v, error %v; want one with %q", o, err, tt.want)
			}
		})
	}
}
