package multipath

import (
	"fmt"
	"slices"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
)

// maxListed is how many addresses of one subsystem discovery logs may list.
const maxListed = 256

// expectation is an address at which a path is expected.
type expectation struct {
	Address nvme.TransportID `json:"address"`
	// Learned is nil where the volume asks for the address.
	Learned *Learned `json:"learned,omitempty"`
}

// Learned says from where an expected address is known that the volume does not ask
// for.
type Learned struct {
	// From is the discovery controller whose log listed it, At when that was.
	From nvme.TransportID `json:"from"`
	At   time.Time        `json:"at"`
	// InPlaceOf are the addresses that were gone from the log.
	InPlaceOf []nvme.TransportID `json:"inPlaceOf"`
}

// expected returns the addresses at which paths are expected.
func (s *staged) expected() []nvme.TransportID {
	if len(s.moved) == 0 {
		return s.Addresses
	}
	addresses := make([]nvme.TransportID, len(s.moved))
	for i, e := range s.moved {
		addresses[i] = e.Address
	}
	return addresses
}

// learned returns from where an expected address is known, nil if the volume asks
// for it.
func (s *staged) learned(address nvme.TransportID) *Learned {
	for _, e := range s.moved {
		if e.Address == address {
			return e.Learned
		}
	}
	return nil
}

// whereabouts is what is known of where a volume's paths lead.
type whereabouts struct {
	// asked are the addresses that the volume asks for, expected those at which
	// paths are expected now.
	asked, expected []nvme.TransportID
	// lost are the expected ones that have had no connection for a while.
	lost []nvme.TransportID
	// leftOut were listed while no path was lost, and are not expected: whoever
	// wrote the volume's addresses did not want them.
	leftOut []nvme.TransportID
	// listed is what the discovery logs say together. It is not to be trusted.
	listed []nvme.TransportID
}

// move is a change of the addresses at which a volume's paths are expected.
type move struct{ expected, gone, came []nvme.TransportID }

// moved tells what has moved: lost addresses that no log lists are gone, where
// logs list others in their place. A log that lists fewer says nothing: targets
// leave out ports that are down.
//
// There are never fewer paths expected than the volume asks for, or one that is
// merely down could be forgotten together with one that has moved.
func (w whereabouts) moved() (move, error) {
	if err := w.check(); err != nil {
		return move{}, err
	}
	var m move
	for _, a := range w.listed {
		if !slices.Contains(w.expected, a) && !slices.Contains(w.leftOut, a) && !slices.Contains(m.came, a) {
			m.came = append(m.came, a)
		}
	}
	left := len(w.expected) + len(m.came)
	for _, a := range w.expected {
		if slices.Contains(w.lost, a) && !slices.Contains(w.listed, a) && left > len(w.asked) {
			m.gone = append(m.gone, a)
			left--
			continue
		}
		m.expected = append(m.expected, a)
	}
	if len(m.gone) == 0 || len(m.came) == 0 {
		return move{}, nil
	}
	m.expected = append(m.expected, m.came...)
	if len(m.expected) > MaxAddresses {
		return move{}, fmt.Errorf("it lists %d new addresses, which with those in use are more than %d", len(m.came), MaxAddresses)
	}
	return m, nil
}

// check refuses what a log had better not say: what it lists may be anything.
func (w whereabouts) check() error {
	if len(w.listed) > maxListed {
		return fmt.Errorf("it lists %d addresses, at most %d make sense", len(w.listed), maxListed)
	}
	local := slices.ContainsFunc(w.asked, nvme.TransportID.IsLoopback)
	for _, a := range w.listed {
		if err := a.CheckListed(local); err != nil {
			return fmt.Errorf("it lists an address, and %w", err)
		}
	}
	return nil
}
