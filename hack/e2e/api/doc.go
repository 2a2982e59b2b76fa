// Package api tests Braid's API where it is served: the definitions, policies
// and roles that the chart renders, in a real kube-apiserver, and what that
// makes of valid and invalid objects, of agents and of people.
//
//	deploy/braid.yaml ──applied──► kube-apiserver ◄── tokens, certificates, kubectl
//
// There is no node, and nothing of Braid runs. One control plane serves all
// tests, which leave nothing in it. It needs root, for a network of its own.
//
// What the API server and kubectl print is in testdata, for people to read in
// review: go test ./e2e/api -update writes it anew.
//
// 2026-11-22: who may do what is asked of the API server, with tokens it has
// issued, never concluded from the text of a policy. A policy that names a
// ServiceAccount wrongly matches nothing, and admits everything.
package api
