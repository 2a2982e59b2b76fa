package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"

	"github.com/braid-csi/braid/hack/cluster"
	"github.com/braid-csi/braid/hack/image"
	"github.com/braid-csi/braid/hack/load"
)

const (
	writerImageName = "localhost/braid-writer:test"
	writerProgram   = "/braid-writer"
)

// writerImage makes the image of the pods that write.
func writerImage(ctx context.Context, dir string) (string, error) {
	program, err := cluster.Build(ctx, filepath.Base(writerProgram), dir)
	if err != nil {
		return "", err
	}
	files := image.NewFiles()
	if err := files.File(writerProgram, program); err != nil {
		return "", err
	}
	f, err := os.Create(filepath.Join(dir, "writer.tar"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := image.Write(f, image.Spec{Name: writerImageName, Entrypoint: []string{writerProgram}, Files: files}); err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// Writer is the writer in a pod.
type Writer struct {
	Pod     string
	client  http.Client
	address string
	node    *cluster.Node
}

// Writer finds the writer in a pod, which must have an address by now.
func (l *Lab) Writer(ctx context.Context, pod string) (*Writer, error) {
	var p corev1.Pod
	if err := l.get(ctx, &p, "pod", pod); err != nil {
		return nil, err
	}
	if p.Status.PodIP == "" {
		return nil, fmt.Errorf("pod %s has no address", pod)
	}
	return &Writer{
		Pod: pod, node: l.Node, client: l.httpClient(),
		address: fmt.Sprintf("http://%s/", net.JoinHostPort(p.Status.PodIP, fmt.Sprint(load.ReportPort))),
	}, nil
}

// httpClient connects to addresses inside of the cluster.
func (l *Lab) httpClient() http.Client {
	return http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // pods come and go
		DialContext:       func(ctx context.Context, _, address string) (net.Conn, error) { return l.Dial(ctx, address) },
	}}
}

// Stats is what it has done so far. The error is also that of its I/O.
func (w *Writer) Stats(ctx context.Context) (load.Stats, error) { return w.ask(ctx, http.MethodGet) }

// Forget has the slowest I/O looked for from now on.
func (w *Writer) Forget(ctx context.Context) error {
	_, err := w.ask(ctx, http.MethodDelete)
	return err
}

// Stop stops it, and has it read everything once more, past the node's caches.
func (w *Writer) Stop(ctx context.Context) (load.Stats, error) {
	if _, err := w.node.Run(ctx, "sysctl", "-q", "vm.drop_caches=3"); err != nil {
		return load.Stats{}, err
	}
	return w.ask(ctx, http.MethodPost)
}

func (w *Writer) ask(ctx context.Context, method string) (load.Stats, error) {
	req, err := http.NewRequestWithContext(ctx, method, w.address, nil)
	if err != nil {
		return load.Stats{}, err
	}
	res, err := w.client.Do(req)
	if err != nil {
		return load.Stats{}, fmt.Errorf("writer in %s: %w", w.Pod, err)
	}
	defer func() { _ = res.Body.Close() }()
	var r load.Report
	if err := json.NewDecoder(res.Body).Decode(&r); err != nil {
		return load.Stats{}, fmt.Errorf("writer in %s: %w", w.Pod, err)
	}
	if r.Error != "" {
		return r.Stats, fmt.Errorf("writer in %s: %w", w.Pod, errors.New(r.Error))
	}
	return r.Stats, nil
}

// GoesOn waits until it has verified that many blocks more, which it must
// without an error.
func (w *Writer) GoesOn(ctx context.Context, more uint64) (load.Stats, error) {
	from, err := w.Stats(ctx)
	if err != nil {
		return from, err
	}
	now := from
	err = until(ctx, fmt.Sprintf("the writer in %s to verify %d blocks more", w.Pod, more), func() (_ bool, err error) {
		now, err = w.Stats(ctx)
		return now.Verified >= from.Verified+more, err
	})
	if err != nil {
		err = fmt.Errorf("%w (it has %d)", err, now.Verified-from.Verified)
	}
	return now, err
}
