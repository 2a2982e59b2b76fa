package agent

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/remediation"
)

// policies are the cluster's, as they were heard of last, with what they ask of
// volumes. Nothing is asked of anybody here, so that health can go by them.
type policies struct {
	node string
	// fallback is the judgement of volumes for which no policy has another.
	fallback health.Policy

	mu      sync.Mutex // guards what follows
	heard   bool       // all of them
	byName  map[string]*v1alpha1.NVMePathPolicy
	volumes map[string]volumeFacts // by the PersistentVolume's name
}

// volumeFacts are what policies select volumes by.
type volumeFacts struct {
	class  string
	labels map[string]string
	read   time.Time
}

// rules are what holds for one path set.
type rules struct {
	health health.Policy
	// name is the policy that remediation is from, "" for none.
	name        string
	remediation remediation.Policy
	records     recordLimit
	suspended   remediation.Suspension
	// why is the reason of the suspension.
	why string
}

// recordLimit says how many records of a path set are kept, and for how long.
type recordLimit struct {
	max int
	ttl time.Duration
}

func newPolicies(node string, fallback health.Policy) *policies {
	return &policies{node: node, fallback: fallback, byName: map[string]*v1alpha1.NVMePathPolicy{}, volumes: map[string]volumeFacts{}}
}

// forSet returns what holds for a path set, and whether that is all known:
// where it is not, health goes by what is, and nothing is done.
func (p *policies) forSet(set *multipath.PathSet) (rules, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	facts, read := p.volumes[set.Origin.PersistentVolume]
	known := p.heard
	var mine []*v1alpha1.NVMePathPolicy
	for _, one := range p.byName {
		switch {
		case !read && asksForVolume(one.Spec.Selector):
			known = false
		case p.selects(one.Spec.Selector, set, facts):
			mine = append(mine, one)
		}
	}
	slices.SortFunc(mine, moreSpecific)
	return resolve(mine, p.fallback), known
}

// asksForVolume tells whether a selector depends on the PersistentVolume.
func asksForVolume(s *v1alpha1.PathSetSelector) bool {
	return s != nil && (len(s.StorageClassNames) > 0 || len(s.VolumeLabels) > 0)
}

// selects tells whether a policy is for a path set.
func (p *policies) selects(s *v1alpha1.PathSetSelector, set *multipath.PathSet, facts volumeFacts) bool {
	if s == nil {
		return true
	}
	for name, value := range s.VolumeLabels {
		if is, ok := facts.labels[name]; !ok || is != string(value) {
			return false
		}
	}
	among := func(all []string, one string) bool { return len(all) == 0 || slices.Contains(all, one) }
	return among(s.StorageClassNames, facts.class) && among(s.NodeNames, p.node) && among(s.PersistentVolumeNames, set.Origin.PersistentVolume)
}

// moreSpecific puts policies in the order that the API promises.
func moreSpecific(a, b *v1alpha1.NVMePathPolicy) int {
	isDefault := func(x *v1alpha1.NVMePathPolicy) int {
		if x.Spec.Selector == nil {
			return 1
		}
		return 0
	}
	return cmp.Or(isDefault(a)-isDefault(b), cmp.Compare(b.Spec.Priority, a.Spec.Priority), strings.Compare(a.Name, b.Name))
}

// resolve makes rules of the policies that select a path set, in their order.
func resolve(mine []*v1alpha1.NVMePathPolicy, fallback health.Policy) rules {
	r := rules{health: fallback, remediation: remediation.DefaultPolicy(), records: recordLimit{defaultRecords, defaultTTL}}
	for _, one := range slices.Backward(mine) { // the first comes last, and stays
		if h := one.Spec.Health; h != nil {
			r.health = healthOf(h, fallback)
		}
		if m := one.Spec.Remediation; m != nil {
			r.name, r.remediation, r.records = one.Name, remediationOf(m), recordsOf(m.Records)
		}
		if s := one.Spec.Suspension; s != nil {
			r.suspend(one.Name, s)
		}
	}
	r.remediation.Flapping = remediation.Threshold{Episodes: r.health.FlappingEpisodes, Window: r.health.FlappingWindow}
	r.remediation.Unstable = remediation.Threshold{Episodes: r.health.UnstableEpisodes, Window: r.health.UnstableWindow}
	return r
}

// suspend adds a suspension. One with an address of which nothing can be made is
// for all of them.
func (r *rules) suspend(policy string, s *v1alpha1.Suspension) {
	r.why = policy + ": " + s.Reason
	r.suspended.All = r.suspended.All || len(s.Addresses) == 0
	for _, text := range s.Addresses {
		address, err := addressOf(text)
		if err != nil {
			r.suspended.All = true
			continue
		}
		r.suspended.Addresses = append(r.suspended.Addresses, address)
	}
}

// addressOf reads an address as policies and maintenances have it.
func addressOf(text string) (nvme.TransportID, error) {
	return nvme.ParseAddress(strings.TrimPrefix(text, string(nvme.TransportTCP)+"://"))
}
