package attach

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/braid-csi/braid/hack/cluster"
	"github.com/braid-csi/braid/hack/cluster/hyper"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

const (
	namespace = "braid-system" // of the installation
	// soon is how long anything may take that nobody has to wait for.
	soon = time.Minute
)

// bed is what all tests share.
var bed struct {
	*cluster.Cluster
	admin client.Client
	// program is braid-controller, kubeconfig the configuration of its
	// ServiceAccount.
	program, kubeconfig string
	replicas            [2]*replica
}

func TestMain(m *testing.M) {
	code, err := run(context.Background(), m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "attach:", err)
		code = 1
	}
	os.Exit(code)
}

func run(ctx context.Context, m *testing.M) (code int, err error) {
	log.SetLogger(klog.Background())
	dir, err := os.MkdirTemp("", "braid-attach-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	progress := func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	if bed.Cluster, err = cluster.Start(ctx, cluster.Config{ControlPlaneOnly: true, Progress: progress}); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, bed.Close()) }()
	if err := prepare(ctx, dir); err != nil {
		return 0, err
	}
	for i := range bed.replicas {
		if bed.replicas[i], err = startReplica(i); err != nil {
			return 0, err
		}
		defer func() { bed.replicas[i].kill() }()
	}
	if code = m.Run(); code != 0 {
		for _, r := range bed.replicas {
			log, _ := os.ReadFile(r.log)
			fmt.Fprintf(os.Stderr, "replica %d:\n%s\n", r.number, log)
		}
	}
	return code, nil
}

// prepare installs what the controller needs, and builds it.
func prepare(ctx context.Context, dir string) error {
	hack, err := hyper.FindSource()
	if err != nil {
		return err
	}
	root := filepath.Dir(hack)
	if err := connect(); err != nil {
		return err
	}
	if err := install(ctx, filepath.Join(root, "deploy/braid.yaml")); err != nil {
		return err
	}
	bed.kubeconfig = filepath.Join(dir, "kubeconfig")
	if err := writeKubeconfig(ctx, bed.kubeconfig); err != nil {
		return err
	}
	bed.program = filepath.Join(dir, "braid-controller")
	build := exec.CommandContext(ctx, "go", "build", "-o", bed.program, "./cmd/braid-controller")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", build, err, out)
	}
	return nil
}

func connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", bed.Kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1 // no limit
	scheme := runtime.NewScheme()
	if err := errors.Join(clientscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	bed.admin, err = client.New(config, client.Options{Scheme: scheme})
	return err
}

// install applies the objects of a manifest that have to do with attaching,
// but for the pods, whose image is not here.
func install(ctx context.Context, manifest string) error {
	f, err := os.Open(manifest)
	if err != nil {
		return err
	}
	defer f.Close()
	wanted := []string{"Namespace", "ServiceAccount", "CustomResourceDefinition", "CSIDriver", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
	for documents := yaml.NewYAMLOrJSONDecoder(f, 4096); ; {
		o := &unstructured.Unstructured{}
		err := documents.Decode(o)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", manifest, err)
		}
		if !slices.Contains(wanted, o.GetKind()) {
			continue
		}
		if err := bed.admin.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("test")); err != nil {
			return fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	_, err = bed.Kubectl(ctx, "wait", "--for=condition=Established", "crd/nvmepathsets.braid.dev", "--timeout="+soon.String())
	return err
}

// eventually waits for what comes by and by.
func eventually(t *testing.T, what string, done func(context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	must(t, poll.Every(ctx, 20*time.Millisecond, what, func() (bool, error) { return done(ctx) }))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
