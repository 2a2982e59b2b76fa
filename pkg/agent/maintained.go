package agent

import (
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/multipath"
)

// note says in a status what is done about each path of a set.
func (t tasks) note(s *v1alpha1.NVMePathSetStatus, set *multipath.PathSet) {
	for i := range s.Paths {
		s.Paths[i].Maintenance = t.of(&set.Paths[i])
	}
}

// of returns what is done about one path, nil for nothing.
func (t tasks) of(p *multipath.Path) *v1alpha1.PathMaintenance {
	held := p.Maintenance
	if held != nil && !held.Returning && !p.Usable() {
		return maintenance(held, v1alpha1.MaintenanceDrained)
	}
	for address, one := range t {
		if one.name != "" && address.Reaches(p.Address) {
			return one.state()
		}
	}
	switch {
	case held == nil || held.Returning && p.Usable():
		return nil
	case held.Returning:
		return maintenance(held, v1alpha1.MaintenanceReturning)
	}
	return maintenance(held, v1alpha1.MaintenanceDraining)
}

// state is how far a path is that is not drained.
func (t task) state() *v1alpha1.PathMaintenance {
	m := &v1alpha1.PathMaintenance{Name: t.name, State: v1alpha1.MaintenanceDraining, Message: line(t.why, maxMessage)}
	if t.refused {
		m.State = v1alpha1.MaintenanceRefused
	}
	return m
}

// maintenance says what the layer holds. Who has asked for what on the node, only
// this can tell.
func maintenance(held *multipath.Maintenance, state v1alpha1.MaintenanceState) *v1alpha1.PathMaintenance {
	m := &v1alpha1.PathMaintenance{Name: held.Request, State: state}
	if held.Request == "" {
		m.Message = line("asked for on the node by "+held.By+": "+held.Reason, maxMessage)
	}
	return m
}
