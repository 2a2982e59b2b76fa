// Package remote has a rig on a cluster's node, driven from outside: braid-rig
// there, a Rig here. One request and one answer are a line of JSON each.
//
//	client                          braid-rig, on the node
//	  │── {"do":"build", ...} ────────►│ target, ports, namespaces
//	  │◄──────────────────────── {} ───│
//	  │── {"do":"cut","path":0} ──────►│
//	  │◄─────────── {"inFlight":32} ───│
//	  │── end of input ───────────────►│ takes everything down, and ends
//
// It is past Kubernetes and past Braid on purpose: what is broken and what is
// counted has to be known from somebody else.
package remote

import (
	"net/netip"

	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/rig"
)

// What a request can ask for.
const (
	build   = "build"
	cut     = "cut"
	unlink  = "unlink"
	repair  = "repair"
	inject  = "inject"
	undo    = "undo"
	suspend = "suspend"
	resume  = "resume"
	setANA  = "setANA"
	read    = "read"
	capture = "capture"
	empty   = "empty"
	crash   = "crash"
	crashed = "crashed"
)

// request is one line to braid-rig.
type request struct {
	Do string `json:"do"`
	// Rig is for build.
	Rig *rig.Config `json:"rig,omitempty"`
	// Path counts from 0.
	Path int `json:"path,omitempty"`
	// UUID is a namespace's.
	UUID string `json:"uuid,omitempty"`
	// Busy is how many commands the path must carry before it is cut.
	Busy int `json:"busy,omitempty"`
	// Fault is for inject and undo.
	Fault rig.Fault `json:"fault,omitempty"`
	// Namespace counts from 0; it is for suspend and resume.
	Namespace int `json:"namespace,omitempty"`
	// Group and State are for setANA.
	Group uint32 `json:"group,omitempty"`
	State string `json:"state,omitempty"`
	// KubeletDir and StateDir are for empty.
	KubeletDir string `json:"kubeletDir,omitempty"`
	StateDir   string `json:"stateDir,omitempty"`
}

// answer is one line back. Everything but Error is for the request that asks
// for it.
type answer struct {
	Error    string            `json:"error,omitempty"`
	Addrs    []netip.AddrPort  `json:"addrs,omitempty"`
	Cut      *Cut              `json:"cut,omitempty"`
	Reading  *nvmehost.Reading `json:"reading,omitempty"`
	NoHead   bool              `json:"noHead,omitempty"`
	Tree     string            `json:"tree,omitempty"`
	LeftOver string            `json:"leftOver,omitempty"`
	Crashes  []string          `json:"crashes,omitempty"`
}

// Cut is what a path carried when it was cut.
type Cut struct {
	Path     nvmehost.Path `json:"path"`
	InFlight int           `json:"inFlight"`
}
