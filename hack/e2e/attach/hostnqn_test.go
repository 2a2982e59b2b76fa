package attach

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/agent"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

// host is a node with braid-node's agent and health, and no kernel: the test
// says what it sees.
type host struct {
	node, volume string
	agent        *agent.Agent
	monitor      *health.Monitor
	port         *port
}

// startHost starts one that has staged a volume of its own.
func startHost(t *testing.T, node string, number int) *host {
	t.Helper()
	addNodes(t, node)
	config, err := clientcmd.BuildConfigFromFlags("", bed.Kubeconfig)
	must(t, err)
	h := &host{node: node, volume: "volume-of-" + node}
	h.monitor = health.NewMonitor(func(*multipath.PathSet) health.Policy { return health.DefaultPolicy() })
	h.agent, err = agent.New(agent.Config{Node: node, Engine: "native", API: config, Findings: h.monitor.Findings, Told: h.monitor.Told})
	must(t, err)
	way := nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: "192.0.2.1", TrSvcID: "4420"}
	h.port = &port{Layer: new(multipath.Layer), held: map[nvme.TransportID]multipath.Maintenance{}, set: multipath.PathSet{
		VolumeID: h.volume, SubsystemNQN: nqn, Namespace: nvme.NamespaceID{Type: nvme.UUID, Value: namespaceUUID(number)},
		Device: multipath.Device{State: multipath.DevicePresent, Name: "nvme0n1"}, Expected: 1,
		Paths: []multipath.Path{{
			Address: way, Key: way.String(), Expected: true, Name: "nvme0c0n1", Controller: "nvme0",
			State: nvme.StateLive, ANAState: nvme.ANAOptimized, Source: nvme.SourceUnsupported,
		}},
	}}
	ctx, cancel := context.WithCancel(klog.NewContext(context.Background(), ktesting.NewLogger(ktesting.NopTL{}, ktesting.NewConfig())))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.agent.Run(ctx, h.port)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return h
}

// looks has the node see that it presents the host NQN, as twice a second.
func (h *host) looks(hostNQN nvme.NQN) {
	snap := h.port.Snapshot()
	snap.PathSets[0].HostNQN = hostNQN
	h.monitor.Update(snap)
	h.agent.Publish(snap)
}

// says is what the node's path set says of its host NQN and of all in all, and
// what braid-node answers over CSI.
func (h *host) says(ctx context.Context) (string, error) {
	var set v1alpha1.NVMePathSet
	if err := bed.admin.Get(ctx, types.NamespacedName{Name: agent.Name(h.node, h.volume)}, &set); err != nil {
		return "", err
	}
	says := ""
	for _, kind := range []string{v1alpha1.ConditionHostNQNUnique, v1alpha1.ConditionReady} {
		if c := meta.FindStatusCondition(set.Status.Conditions, kind); c != nil {
			says += string(c.Status) + "/" + c.Reason
		}
		says += " "
	}
	found, _ := h.monitor.Findings(h.volume)
	for _, f := range found {
		says += string(f.Reason)
	}
	return says, nil
}

// TestHostNQNTwoAgents has the agents of three nodes report, one of which comes
// to present another's host NQN and then its own again: those two say so, to
// the API and to whoever asks them, and the third does not.
func TestHostNQNTwoAgents(t *testing.T) {
	t.Parallel()
	const (
		unique    = "True/Healthy True/Healthy "
		duplicate = "False/DuplicateHostNQN False/DuplicateHostNQN DuplicateHostNQN"
	)
	hosts := []*host{startHost(t, "twin-1", 201), startHost(t, "twin-2", 202), startHost(t, "single", 203)}
	own := []nvme.NQN{"nqn.2026-11.test.braid:one", "nqn.2026-11.test.braid:two", "nqn.2026-11.test.braid:three"}
	for _, step := range []struct {
		name string
		nqns []nvme.NQN
		want []string
	}{
		{"each has its own", own, []string{unique, unique, unique}},
		{"two have one", []nvme.NQN{own[0], own[0], own[2]}, []string{duplicate, duplicate, unique}},
		{"each has its own again", own, []string{unique, unique, unique}},
	} {
		for i, h := range hosts {
			got := ""
			eventually(t, step.name+": "+h.node+" to say "+step.want[i], func(ctx context.Context) (bool, error) {
				for j, other := range hosts {
					other.looks(step.nqns[j])
				}
				says, err := h.says(ctx)
				if says != got {
					got = says
					t.Logf("%s: %s says %s", step.name, h.node, says)
				}
				return says == step.want[i], client.IgnoreNotFound(err)
			})
		}
	}
}
