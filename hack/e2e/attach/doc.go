// Package attach tests braid-controller where it works: as a process, with the
// rights that the chart gives it, against a real control plane whose
// attach/detach controller asks for volumes and gives them back.
//
//	deploy/braid.yaml ──applied──► kube-apiserver ◄── kube-controller-manager
//	                                     ▲ ▲
//	      braid-controller, two replicas ┘ └ the test: pods, nodes, path sets
//
// Nobody is behind the nodes: the test makes and removes path sets in place of
// their agents. It needs root, for a network of its own.
package attach
