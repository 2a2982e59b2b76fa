// Package chart tests the Helm chart: what it renders, and what it refuses.
//
//	make bin/helm
//	go test -count=1 ./chart    the cache of go test does not know what Helm reads
//	go test ./chart -run Golden -update
package chart

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	helmProgram = "../../bin/helm"
	chartDir    = "../../charts/braid"
	deployFile  = "../../deploy/braid.yaml"
)

// helm runs Helm without any configuration or repository of the user's.
func helm(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), helmProgram, args...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	err = cmd.Run()
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%v: make bin/helm", err)
	}
	return out.String(), diagnostics.String(), err
}

// render returns what would be installed in the way that the documentation
// recommends.
func render(t *testing.T, args ...string) string {
	t.Helper()
	args = append([]string{"template", "braid", chartDir, "--namespace", "braid-system", "--kube-version", "1.37.2"}, args...)
	out, diagnostics, err := helm(t, args...)
	if err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, diagnostics)
	}
	return out
}

// cases are the values that golden files are rendered with.
func cases(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chartDir, "testdata", "*.values.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	return files
}

func TestGolden(t *testing.T) {
	for _, values := range cases(t) {
		t.Run(strings.TrimSuffix(filepath.Base(values), ".values.yaml"), func(t *testing.T) {
			golden(t, strings.Replace(values, ".values.", ".golden.", 1), render(t, "--values", values))
		})
	}
}

// deployHeader comes before what Helm renders, for those who have no Helm.
const deployHeader = `# Braid for "kubectl apply --server-side -f": charts/braid with its default values.
# Written by make generate.
apiVersion: v1
kind: Namespace
metadata:
  name: braid-system
  labels:
    # The pods on the nodes are privileged.
    pod-security.kubernetes.io/enforce: privileged
    pod-security.kubernetes.io/audit: privileged
    pod-security.kubernetes.io/warn: privileged
`

func TestGoldenDeploy(t *testing.T) {
	golden(t, deployFile, deployHeader+render(t))
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s has drifted: make generate (-want +got)\n%s", file, diff)
	}
}

func TestLint(t *testing.T) {
	for _, values := range append(cases(t), filepath.Join(chartDir, "values.yaml")) {
		out, diagnostics, err := helm(t, "lint", "--strict", chartDir, "--values", values)
		if err != nil {
			t.Errorf("%s: %v\n%s%s", values, err, out, diagnostics)
		}
	}
}

// TestReadmeHostPaths sees that what the pods mount of a node is explained.
func TestReadmeHostPaths(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(chartDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	paths := regexp.MustCompile(`hostPath: {path: ([^,]+),`).FindAllStringSubmatch(render(t), -1)
	if len(paths) == 0 {
		t.Fatal("no host path is rendered")
	}
	for _, p := range paths {
		// The first column has the path, or the value that it is the default of.
		if !strings.Contains(string(readme), "\n| `"+p[1]+"`") && p[1] != "/var/lib/kubelet" {
			t.Errorf("README.md does not explain host path %s", p[1])
		}
	}
}
