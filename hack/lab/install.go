package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The installation: the release and its namespace have Braid's usual names.
const (
	Release         = "braid"
	SystemNamespace = "braid-system"
)

// ClearAfter is how long findings outlive their condition here; by default it
// is 30 s.
const ClearAfter = 3 * time.Second

// values are the chart's, for a lab: repository and tag are to be filled in.
const values = `# The image is on the node already; no registry is asked.
image:
  repository: %s
  tag: %q
  pullPolicy: Never
health:
  clearAfter: 3s
`

const valuesFile = "values.yaml"

// Install installs Braid by its chart, and waits until it runs. sets are
// NAME=VALUE for more of the chart's values. An installation there is already
// is upgraded to that.
func (l *Lab) Install(ctx context.Context, sets ...string) (Command, error) {
	c, err := l.helm(ctx, []string{"helm", "upgrade", Release, "charts/braid", "--install", "--create-namespace"}, sets)
	if err != nil || l.cfg.Program == "" {
		return c, err
	}
	return c, l.replaceProgram(ctx)
}

// nodeProgram is where the node has the program of Config.
const nodeProgram = "/usr/local/bin/braid-node"

// replaceProgram has the node's program run as braid-node.
func (l *Lab) replaceProgram(ctx context.Context) error {
	const daemonSet, container = "daemonset/braid-node", "braid-node"
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
		"volumes": []any{map[string]any{"name": "program", "hostPath": map[string]any{"path": nodeProgram, "type": "File"}}},
		"containers": []any{map[string]any{"name": container, "volumeMounts": []any{
			map[string]any{"name": "program", "mountPath": "/usr/bin/braid-node", "readOnly": true},
		}}},
	}}}})
	if err != nil {
		return err
	}
	if _, err := l.Run(ctx, "kubectl", "patch", daemonSet, "--namespace", SystemNamespace, "--patch", string(patch)); err != nil {
		return err
	}
	_, err = l.Run(ctx, "kubectl", "rollout", "status", daemonSet, "--namespace", SystemNamespace, "--timeout=3m")
	return err
}

// Upgrade upgrades it as a person does.
func (l *Lab) Upgrade(ctx context.Context, sets ...string) (Command, error) {
	return l.helm(ctx, []string{"helm", "upgrade", Release, "charts/braid"}, sets)
}

// FirstInstall installs Braid where it is not.
func (l *Lab) FirstInstall(ctx context.Context) (Command, error) {
	return l.helm(ctx, []string{"helm", "install", Release, "charts/braid", "--create-namespace"}, nil)
}

func (l *Lab) helm(ctx context.Context, args, sets []string) (Command, error) {
	if err := l.Write(valuesFile, l.values); err != nil {
		return Command{}, err
	}
	args = append(args, "--namespace", SystemNamespace, "--values", valuesFile)
	for _, s := range sets {
		args = append(args, "--set", s)
	}
	return l.Run(ctx, append(args, "--wait", "--timeout", "5m")...)
}

// Uninstall removes Braid, if it is there. The custom resources' definitions
// stay, as the chart says.
func (l *Lab) Uninstall(ctx context.Context) error {
	_, err := l.Run(ctx, "helm", "uninstall", Release, "--namespace", SystemNamespace, "--ignore-not-found", "--wait")
	return err
}

// NodePod is braid-node's on the lab's node; there is none between two.
func (l *Lab) NodePod(ctx context.Context) (corev1.Pod, error) {
	pods, err := l.Pods(ctx, SystemNamespace, "--selector=app.kubernetes.io/component=node", "--field-selector=spec.nodeName="+NodeName)
	if err != nil {
		return corev1.Pod{}, err
	}
	for _, p := range pods {
		if p.DeletionTimestamp == nil {
			return p, nil
		}
	}
	return corev1.Pod{}, ErrNoNodePod
}

// ErrNoNodePod is for a node on which braid-node has no pod.
var ErrNoNodePod = errors.New("braid-node has no pod")

// WaitNodeReady waits until braid-node is ready in another pod or container
// than before, which may be none.
func (l *Lab) WaitNodeReady(ctx context.Context, before corev1.Pod) (corev1.Pod, error) {
	var pod corev1.Pod
	err := until(ctx, "braid-node to be ready again", func() (_ bool, err error) {
		pod, err = l.NodePod(ctx)
		if errors.Is(err, ErrNoNodePod) {
			return false, nil
		}
		return containerID(pod) != containerID(before) && PodReady(pod), err
	})
	if err != nil {
		err = fmt.Errorf("%w (%s is %s, ready: %t)", err, pod.Name, pod.Status.Phase, PodReady(pod))
	}
	return pod, err
}

func containerID(p corev1.Pod) string {
	if len(p.Status.ContainerStatuses) == 0 {
		return ""
	}
	return p.Status.ContainerStatuses[0].ContainerID
}

// KillNodeServer ends braid-node's process as the kernel does when memory runs
// out. Kubelet starts it again.
func (l *Lab) KillNodeServer(ctx context.Context) error {
	_, err := l.Node.Run(ctx, "pkill", "-KILL", "-x", "braid-node")
	return err
}

// BraidLogs are the ends of what Braid's programs said, for somebody who wonders.
func (l *Lab) BraidLogs(ctx context.Context, lines int) string {
	var b strings.Builder
	for _, component := range []string{"node", "controller"} {
		c, err := l.Run(ctx, "kubectl", "logs", "--namespace="+SystemNamespace, "--selector=app.kubernetes.io/component="+component,
			fmt.Sprintf("--tail=%d", lines))
		fmt.Fprintf(&b, "braid-%s's logs end:\n%s", component, c.Output)
		if err != nil {
			fmt.Fprintf(&b, "(%v)\n", err)
		}
	}
	return b.String()
}
