package host

import (
	"time"

	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// inDoubt is how long after the end of an association a command may still take
// effect (TP4129): the controller must first notice, by its keep alive timer,
// that it has lost its host, and then has CQT to quiesce. Its timer starts anew
// with a Keep Alive command that may have been sent just before; with TBKAS,
// once more at its expiry if there was traffic.
func inDoubt(cfg *Config, id *nvmetcp.IdentifyController) time.Duration {
	kato := cfg.KeepAlive
	// The controller may round up to its granularity (Base Specification 2.1,
	// section 5.1.25.1.8).
	if g := time.Duration(id.KeepAliveGranularity) * 100 * time.Millisecond; g > 0 {
		kato = (kato + g - 1) / g * g
	}
	periods := time.Duration(2)
	if id.Attributes&nvmetcp.CTRATTTrafficKATO != 0 {
		periods = 3
	}
	return periods*kato + max(time.Duration(id.QuiesceTime)*time.Millisecond, cfg.QuiesceTime)
}
