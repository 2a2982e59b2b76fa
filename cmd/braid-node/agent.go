package main

import (
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/braid-csi/braid/pkg/agent"
	"github.com/braid-csi/braid/pkg/faultpoint"
	"github.com/braid-csi/braid/pkg/health"
)

// newAgent returns the agent that the flags ask for. It reads files and asks
// nobody.
func newAgent(c config, monitor *health.Monitor) (*agent.Agent, error) {
	ctrllog.SetLogger(klog.NewKlogr())
	api, err := apiConfig(c.kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("-agent: %w", err)
	}
	api.UserAgent = "braid-node/" + version
	api.Wrap(faultpoint.Transport)
	return agent.New(agent.Config{Node: c.nodeID, Engine: "native", API: api, Health: c.policy, Findings: monitor.Findings, Marginal: monitor.Marginal, Told: monitor.Told})
}

func apiConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		return rest.InClusterConfig()
	}
	return clientcmd.BuildConfigFromFlags("", kubeconfig)
}
