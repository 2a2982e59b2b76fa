package metrics

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/braid-csi/braid/pkg/head"
	"github.com/braid-csi/braid/pkg/nvme"
)

func TestHeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		id := func(digit string) []nvme.NamespaceID {
			return []nvme.NamespaceID{{Type: nvme.UUID, Value: "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a19080" + digit}}
		}
		c := &Heads{Snapshots: func() []head.SubsystemSnapshot {
			return []head.SubsystemSnapshot{{SubsystemNQN: "nqn.2026-11.dev.braid:a", Heads: []head.Snapshot{
				{IDs: id("1"), Held: 3, InDoubt: []head.InDoubt{
					{Start: 0, Blocks: 8, Until: time.Now().Add(4 * time.Second)},
					{Start: 64, Blocks: 16, Until: time.Now().Add(2 * time.Second)},
				}},
				{IDs: id("2")},
			}}}
		}}
		want := `
# HELP braid_head_held_writes Writes that are held back because a lost one may still change their blocks.
# TYPE braid_head_held_writes gauge
braid_head_held_writes{nvme_namespace="uuid:0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190801",subsystem_nqn="nqn.2026-11.dev.braid:a"} 3
braid_head_held_writes{nvme_namespace="uuid:0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190802",subsystem_nqn="nqn.2026-11.dev.braid:a"} 0
# HELP braid_head_in_doubt_blocks Logical blocks that a lost write may still change.
# TYPE braid_head_in_doubt_blocks gauge
braid_head_in_doubt_blocks{nvme_namespace="uuid:0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190801",subsystem_nqn="nqn.2026-11.dev.braid:a"} 24
braid_head_in_doubt_blocks{nvme_namespace="uuid:0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190802",subsystem_nqn="nqn.2026-11.dev.braid:a"} 0
# HELP braid_head_in_doubt_seconds For how long a lost write may still change blocks; 0 if none may.
# TYPE braid_head_in_doubt_seconds gauge
braid_head_in_doubt_seconds{nvme_namespace="uuid:0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190801",subsystem_nqn="nqn.2026-11.dev.braid:a"} 4
braid_head_in_doubt_seconds{nvme_namespace="uuid:0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190802",subsystem_nqn="nqn.2026-11.dev.braid:a"} 0
`
		if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
		if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
			t.Errorf("promlint: %v, %v", problems, err)
		}
	})
}
