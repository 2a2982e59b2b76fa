package nvme

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Transport is how a controller is reached.
type Transport string

// TransportTCP is the transport that Braid connects. Others are observed,
// never connected.
const TransportTCP Transport = "tcp"

// DefaultTrSvcID is the port IANA assigned to NVMe over TCP I/O controllers.
const DefaultTrSvcID = "4420"

// DefaultDiscoveryTrSvcID is the port IANA assigned to discovery controllers.
const DefaultDiscoveryTrSvcID = "8009"

// TransportID is one network way to a subsystem: the key of a path. Values
// made by ParseAddress and ParseSysfsAddress are normalised, so two of them
// are equal exactly if they name the same way, and may be map keys.
type TransportID struct {
	Transport Transport `json:"transport"`
	// TrAddr is the target's address and TrSvcID its port.
	TrAddr  string `json:"traddr"`
	TrSvcID string `json:"trsvcid"`
	// HostTrAddr and HostIface bind the connection to an address or a network
	// interface of the host; empty where routing decides.
	HostTrAddr string `json:"hostTraddr,omitempty"`
	HostIface  string `json:"hostIface,omitempty"`
}

// ParseAddress reads "ADDRESS", "ADDRESS:PORT" or "[IPv6]:PORT" as an
// NVMe/TCP way. Names are refused: a volume must be reachable without DNS.
func ParseAddress(s string) (TransportID, error) { return parseAddress(s, DefaultTrSvcID) }

// ParseDiscoveryAddress reads the address of a discovery controller likewise.
func ParseDiscoveryAddress(s string) (TransportID, error) {
	return parseAddress(s, DefaultDiscoveryTrSvcID)
}

func parseAddress(s, defaultPort string) (TransportID, error) {
	if err := checkOption(s); err != nil {
		return TransportID{}, err
	}
	id := TransportID{Transport: TransportTCP, TrSvcID: defaultPort}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		if ap.Port() == 0 {
			return TransportID{}, fmt.Errorf("%q has port 0", s)
		}
		id.TrSvcID = strconv.Itoa(int(ap.Port()))
		id.TrAddr, err = normalAddr(ap.Addr())
		return id, err
	}
	addr, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return TransportID{}, fmt.Errorf("%q is not an IP address with an optional port", s)
	}
	id.TrAddr, err = normalAddr(addr)
	return id, err
}

func normalAddr(a netip.Addr) (string, error) {
	a = a.Unmap()
	switch {
	case a.IsUnspecified():
		return "", fmt.Errorf("%s is not the address of a host", a)
	case a.IsMulticast():
		return "", fmt.Errorf("%s is a multicast address", a)
	}
	return a.String(), nil
}

// CheckListed returns an error if a host had better not connect to an address that
// a target has listed: it is not one as ParseAddress makes them, it is another one on
// each link, or it is the host itself. That is fine if local, where the target is on
// the host.
func (id TransportID) CheckListed(local bool) error {
	got, err := ParseAddress(id.Address())
	switch {
	case err != nil:
		return err
	case got != id:
		return fmt.Errorf("%q is not the address of a target", id.String())
	case id.IsLoopback() && !local:
		return fmt.Errorf("%s is this host", id)
	}
	if addr, err := netip.ParseAddr(id.TrAddr); err != nil || addr.IsLinkLocalUnicast() {
		return fmt.Errorf("%s is another one on each link", id)
	}
	return nil
}

// IsLoopback tells whether the way leads to the host itself.
func (id TransportID) IsLoopback() bool {
	addr, err := netip.ParseAddr(id.TrAddr)
	return err == nil && addr.Unmap().IsLoopback()
}

// ParseSysfsAddress reads a controller's address attribute, such as
// "traddr=192.0.2.1,trsvcid=4420,src_addr=192.0.2.9". The separator is a comma
// or a space, and src_addr is there only while the controller is live; it is
// no part of the identity and is returned apart.
func ParseSysfsAddress(t Transport, s string) (id TransportID, srcAddr string, err error) {
	id = TransportID{Transport: t}
	for f := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }) {
		k, v, ok := strings.Cut(f, "=")
		if !ok {
			return TransportID{}, "", fmt.Errorf("address %q: %q is not KEY=VALUE", s, f)
		}
		switch k {
		case "traddr":
			id.TrAddr = normalText(v)
		case "trsvcid":
			id.TrSvcID = v
		case "host_traddr":
			id.HostTrAddr = normalText(v)
		case "host_iface":
			id.HostIface = v
		case "src_addr":
			srcAddr = normalText(v)
		}
	}
	if id.TrAddr == "" {
		return TransportID{}, "", errors.New("address without traddr")
	}
	return id, srcAddr, nil
}

// normalText normalises an IP address and leaves other text (an RDMA GUID, a
// Fibre Channel name) as it is.
func normalText(s string) string {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().String()
	}
	return s
}

// Address returns ADDRESS:PORT, with an IPv6 address in brackets.
func (id TransportID) Address() string {
	addr := id.TrAddr
	if strings.Contains(addr, ":") {
		addr = "[" + addr + "]"
	}
	if id.TrSvcID == "" {
		return addr
	}
	return addr + ":" + id.TrSvcID
}

// String returns the way as people and logs write it, for instance
// "tcp://192.0.2.1:4420" or "tcp://192.0.2.1:4420%eth1".
func (id TransportID) String() string {
	s := string(id.Transport) + "://" + id.Address()
	if id.HostTrAddr != "" {
		s += " from " + id.HostTrAddr
	}
	if id.HostIface != "" {
		s += "%" + id.HostIface
	}
	return s
}

// Reaches tells whether a controller connected as got serves the wanted way.
// What the wanted way leaves open (host address, interface) matches anything.
func (id TransportID) Reaches(got TransportID) bool {
	return id.Transport == got.Transport && id.TrAddr == got.TrAddr && id.TrSvcID == got.TrSvcID &&
		(id.HostTrAddr == "" || id.HostTrAddr == got.HostTrAddr) &&
		(id.HostIface == "" || id.HostIface == got.HostIface)
}
