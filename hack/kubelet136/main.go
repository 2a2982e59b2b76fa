// Command kubelet136 is the kubelet of Kubernetes 1.36, the last one that asks
// CSI drivers for the volume condition that CSI 1.13 has removed.
package main

import (
	"context"
	"os"

	"k8s.io/component-base/cli"
	// What the kubelet's own main package imports for its effect.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/kubernetes/cmd/kubelet/app"
)

func main() { os.Exit(cli.Run(app.NewKubeletCommand(context.Background()))) }
