package api

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/braid-csi/braid/hack/cluster"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// server is the API server of all tests, with the chart's objects in it.
var server struct {
	*cluster.Cluster
	config *rest.Config
	admin  client.Client
	// chart has the objects, in the order of the file, and warnings what the
	// API server said to them.
	chart    []*unstructured.Unstructured
	warnings warnings
}

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(context.Background(), m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		code = 1
	}
	os.Exit(code)
}

func run(ctx context.Context, m *testing.M) (code int, err error) {
	log.SetLogger(klog.Background())
	progress := func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	server.Cluster, err = cluster.Start(ctx, cluster.Config{ControlPlaneOnly: true, Progress: progress})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	if server.config, err = clientcmd.BuildConfigFromFlags("", server.Kubeconfig); err != nil {
		return 0, err
	}
	server.config.QPS = -1 // no limit
	server.config.WarningHandlerWithContext = &server.warnings
	if server.admin, err = newClient(server.config); err != nil {
		return 0, err
	}
	if err := install(ctx); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// newClient makes a client that is refused where it sends what is not in a
// schema.
func newClient(config *rest.Config) (client.Client, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	return client.WithFieldValidation(c, "Strict"), nil
}

// warnings keeps what the API server warns of.
type warnings struct {
	sync.Mutex
	all []string
}

// HandleWarningHeaderWithContext is called by clients, for each warning.
func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.Lock()
	defer w.Unlock()
	w.all = append(w.all, text)
}
