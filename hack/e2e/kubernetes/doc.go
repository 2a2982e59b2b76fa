// Package kubernetes has the scenarios that need a cluster: Braid installed by
// its chart on a real Kubernetes, whose node has a real kernel with counters.
// They run on this machine as root, by make e2e RUN='Kubernetes|Legacy|HostNQN'.
//
// A scenario begins with newScene, which builds a target of its own on the
// node, and ends with end, which wants nothing to be left. The cluster is
// shared by all that want the same feature gates, and replaced after one that
// failed. There are no skips and no sleeps. Each leaves evidence in a folder:
// the kernel's version, raw sysfs before and after, the server's /version, the
// objects as YAML and Braid's logs.
//
// $BRAID_IMAGE is the tarball of Braid's image, $BRAID_ARTIFACTS the folder for
// evidence, $BRAID_KERNEL the node's kernel; they have defaults.
package kubernetes
