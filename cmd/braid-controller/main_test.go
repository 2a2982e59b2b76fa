package main

import (
	"bytes"
	"errors"
	"flag"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/controller"
)

func TestParseConfig(t *testing.T) {
	for _, tc := range []struct {
		args string
		want config
	}{
		{"", config{Options: controller.Options{LeaderElect: true, HealthAddress: ":9811", MetricsAddress: ":9812"}}},
		{"-leader-elect=false -health-address= -metrics-address= -release-timeout 2h",
			config{Options: controller.Options{ReleaseTimeout: 2 * time.Hour}}},
		{"-kubeconfig k -namespace braid-system -v 2",
			config{kubeconfig: "k", Options: controller.Options{LeaderElect: true, Namespace: "braid-system", HealthAddress: ":9811", MetricsAddress: ":9812"}}},
	} {
		got, err := parseConfig(strings.Fields(tc.args))
		if err != nil {
			t.Errorf("%q: %v", tc.args, err)
		}
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(config{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.args, diff)
		}
	}
}

func TestRunBadInput(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for _, tc := range []struct{ args, want string }{
		{"extra", `unexpected argument "extra"`},
		{"-frobnicate", "flag provided but not defined"},
		{"-health-address localhost", "-health-address: address localhost: missing port"},
		{"-metrics-address localhost", "-metrics-address: address localhost: missing port"},
		{"-release-timeout -1s", "-release-timeout: -1s is less than 1m0s"},
		{"-release-timeout 10s", "-release-timeout: 10s is less than 1m0s"},
		{"-release-timeout soon", `invalid value "soon"`},
		{"-kubeconfig some", "-namespace is needed outside of a pod"},
		{"-namespace n -kubeconfig " + filepath.Join(t.TempDir(), "none"), "-kubeconfig: "},
		{"", "-kubeconfig: unable to load in-cluster configuration"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			var out bytes.Buffer
			err := run(t.Context(), strings.Fields(tc.args), &out)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("braid-controller %s: error %v, want one with %q", tc.args, err, tc.want)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-version"}, &out); err != nil || out.String() != "braid-controller devel\n" {
		t.Errorf("%q, %v", &out, err)
	}
	if err := run(t.Context(), []string{"-h"}, &out); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}
