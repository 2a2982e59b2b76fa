// Package machines has the scenarios that take more than one machine: all
// kernels, a node that is rebooted, file systems that were made elsewhere. They
// run on the host and start machines with the scenarios of package e2e, or with
// parts of scenarios, which have the build tag of this package's name.
//
//	go test ./machines -v -run Kernels
//
// needs what make build and make testbed leave in bin/.
package machines
