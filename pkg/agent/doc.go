// Package agent speaks for one node to the Kubernetes API server: it reports
// the node's path sets, carries out the remediations that are asked of it, and
// drains the addresses that are under maintenance (maintain.go).
//
//	                   multipath.Layer
//	      snapshots  |                  ^ rescan, reset, levers   | evidence
//	  health.Monitor |                  |                         v
//	       findings  v                  |             +-----------------------+
//	+---------------------------+  +----+---------+   | steward               |
//	| inbox      waits for no-  |  | executor     |   |  policies, records -> |
//	|            body           |  | one remedia- |   |  remediation.Next     |
//	| reporter   what the API   |  | tion after   |   +---^---------------+---+
//	|  report.go shall say      |  | the other    |       | watch         |
//	|  pace.go   when           |  +----^----+----+   NVMePathPolicy      |
//	| write.go   who says it    |       |    |                            | create
//	+----+-----------------^----+ watch |    | status                     |
//	     | apply, delete,  | watch:     |    v                            |
//	     v events          | lost   NVMePathRemediation (this node's) <----+
//	 NVMePathSet (this node's), Event
//
// Whatever the layer and the driver do, they do without the API server. There
// is one exception, and it is wanted: staging ends with Reported, so that what
// is mounted has a path set in the API. The other half of it is that a path
// set is deleted only once its volume has left the node: who finds none of a
// node for a volume may take it that the volume is not mounted there.
//
// # What is written when
//
// A change of state is written at once: a condition, a path's state, a new
// reset. Counters alone are written every 10 s at first, and ever less often,
// down to every 5 min, while nothing but counters goes on changing (pace.go).
// Nothing changed, nothing written; no write bears a mere "still here". If the
// state of very many path sets changes at once, as when a port goes that all
// of them share, their writes are spread. Everything is written by server-side
// apply: what others change in these fields is taken back with the next write.
//
// # An API server that is away
//
// The newest state is kept, all writers wait for the same moment to try again,
// at most 15 s, and what happened meanwhile is told when it is back, each thing
// with its own time. That holds for a start without an API server too: until
// what it says already is known, observations are kept rather than told, the
// first and the last of each that tell the same story. Conditions go on from
// what the API says, with their times; nothing is told twice.
//
// # Design note, 2026-11-22: our own events
//
// Events are made here, not by client-go's recorders. These stamp an event
// with the time at which it is made, drop it after twelve tries, and a second
// run of the program tells it again. An outage of two minutes would be enough
// to lose the event of a path that went meanwhile. Here an event waits in its
// path set's entry until what it tells of has been written, bears the time of
// the observation, and its name is made of what it says, so that writing it
// twice is telling it once. They are core/v1, on the path set and on the claim
// with their UIDs, which is where kubectl describe looks (those on the path
// set in the namespace default, as for every cluster-scoped object). If
// braid-node dies between a condition and its event, the condition stands and
// the event is lost.
//
// # Design note, 2026-11-22: orphans
//
// A path set that was there at the start and belongs to no staged volume is
// deleted, except while somebody on the node uses its namespace: then it is
// the volume's record that was lost, not the volume, and the path set is what
// keeps the cluster from giving it to another node.
//
// # Design note, 2026-11-22: what the cluster finds
//
// That two nodes present one host NQN, only somebody can see who sees both: the
// cluster's controller. Of a path set it writes the condition HostNQNUnique and
// nothing else, which no agent writes. The agent hears of it by its watch and
// hands it to the health monitor, so that it is one more finding: in Ready, in
// events, in the metrics and in what CSI answers. While the API server is away
// what was heard last holds; after a start it is heard with the first list, and
// until then CSI's answers lack it, rather than be none for as long as no API
// server is there.
//
// # Design note, 2026-11-23: what a node does by itself
//
// It asks for it as people do: the steward makes a remediation, and the executor
// carries it out. So there is one way in which things are done, one place where
// they are refused, and the record is the only memory: back-off and the limit of
// attempts are read from the records, also by a braid-node that has just started.
// The steward decides by what it has heard, and once more by what the API server
// says before it asks. While that is away nothing is asked for. A remediation with
// a step against a path is complete only once the path has proved itself; until
// then it stays open, and other paths are looked after meanwhile.
//
// # Design note, 2026-11-23: maintenance
//
// An NVMePathMaintenance is every node's, so none of them writes it: each says in
// its path sets, path by path, how far it is, and the cluster's controller sums up.
// What is refused is tried again for as long as it is asked for, since the other
// path may come back. The layer's record has the object's name, so that a
// braid-node which was away when the object ended, or was deleted, brings its paths
// back; but not before it has seen all the objects there are.
//
// # Design note, 2026-11-22: no cluster-wide anything
//
// Watches are restricted to spec.nodeName, but for those of policies and
// maintenances, which are few and nobody's. A PersistentVolume is asked for by name, and only where a policy
// goes by its class or labels.
// The Node is asked for once, by name. The kinds are known beforehand, so that
// neither discovery nor a cache that does not sync can keep the agent, or
// braid-node, from starting. A client of controller-runtime's writes; its cache
// is read by nobody.
package agent
