package driver

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

// Bounds of what a volume context may ask for.
const (
	maxContextValue = 1024 // bytes
	maxAddresses    = multipath.MaxAddresses
	maxDiscovery    = 4
	maxIOQueues     = 128
	maxWait         = 24 * time.Hour
	maxDelay        = time.Minute
	maxKeepAlive    = 2 * time.Minute
	maxIOTimeout    = 10 * time.Minute

	never = "never"
)

// foreignPrefixes begin the keys that Kubernetes adds to a volume context.
var foreignPrefixes = []string{"csi.storage.k8s.io/", "storage.kubernetes.io/"}

// Key describes a key of the volume context: of a PersistentVolume's
// volumeAttributes and a StorageClass's parameters.
type Key struct {
	Name     string
	Required bool
	Default  string // empty: see Meaning
	Meaning  string
}

// contextKey is a key together with how it is read and written.
type contextKey struct {
	Key
	parse  func(v *multipath.Volume, value string) error
	format func(v *multipath.Volume) string // empty where there is nothing to say
}

// contextKeys are all keys there are, in the order in which they are read.
var contextKeys = []contextKey{
	{Key{Name: "subsystemNQN", Required: true, Meaning: "NQN of the NVM subsystem"},
		func(v *multipath.Volume, s string) (err error) { v.SubsystemNQN, err = nvme.ParseNQN(s); return err },
		func(v *multipath.Volume) string { return string(v.SubsystemNQN) }},
	namespaceKey("namespaceUUID", nvme.UUID),
	namespaceKey("namespaceNGUID", nvme.NGUID),
	namespaceKey("namespaceEUI64", nvme.EUI64),
	addressesKey(Key{Name: "addresses", Required: true, Meaning: "the expected paths: up to 16 of IP:PORT or [IPv6]:PORT, separated by commas; port 4420 if none is given"},
		maxAddresses, nvme.ParseAddress, func(v *multipath.Volume) *[]nvme.TransportID { return &v.Addresses }),
	addressesKey(Key{Name: "discovery", Meaning: "discovery controllers of the target, up to 4, written likewise; port 8009 if none is given. When a path has been lost for 10s they, and those that they refer to, are asked: an address that is gone from their logs is given up for those that are new there; by default the addresses hold for ever"},
		maxDiscovery, nvme.ParseDiscoveryAddress, func(v *multipath.Volume) *[]nvme.TransportID { return &v.Discovery }),
	numberKey("minPaths", 1, maxAddresses, "usable paths that staging waits for; the others are connected in the background",
		func(v *multipath.Volume) *int { return &v.MinPaths }),
	{Key{Name: "ioPolicy", Meaning: "numa, round-robin or queue-depth; by default what was chosen on the node, else queue-depth, else round-robin"},
		parseIOPolicy,
		func(v *multipath.Volume) string { return string(v.IOPolicy) }},
	durationKey("ctrlLossTimeout", time.Second, maxWait, true, "how long a lost controller is reconnected before it is given up; never: for ever",
		func(c *multipath.ConnectOptions) *time.Duration { return &c.ControllerLossTimeout }),
	durationKey("reconnectDelay", time.Second, maxDelay, false, "pause between two attempts to reconnect",
		func(c *multipath.ConnectOptions) *time.Duration { return &c.ReconnectDelay }),
	durationKey("fastIOFailTimeout", 0, maxWait, true, "how long I/O waits once no path is left before it fails; never: until a path returns",
		func(c *multipath.ConnectOptions) *time.Duration { return &c.FastIOFailTimeout }),
	durationKey("keepAliveTimeout", time.Second, maxKeepAlive, false, "keep alive timeout (KATO): how soon a dead path is noticed",
		func(c *multipath.ConnectOptions) *time.Duration { return &c.KeepAliveTimeout }),
	durationKey("ioTimeout", 0, maxIOTimeout, false, "how long a request may take before its path is given up, longer than the backend ever needs: a slow one would cost path after path; 0s: as the kernel has it, 30s",
		func(c *multipath.ConnectOptions) *time.Duration { return &c.IOTimeout }),
	numberKey("ioQueues", 0, maxIOQueues, "I/O queues of each controller; 0: one for each CPU, at most 8",
		func(v *multipath.Volume) *int { return &v.Connect.IOQueues }),
	digestKey("headerDigest", "CRC32C over the headers of NVMe/TCP: true or false",
		func(c *multipath.ConnectOptions) *bool { return &c.HeaderDigest }),
	digestKey("dataDigest", "CRC32C over the data of NVMe/TCP: true or false",
		func(c *multipath.ConnectOptions) *bool { return &c.DataDigest }),
}

// Keys returns every key of the volume context, for documentation. One of the
// three namespace keys must be given.
func Keys() []Key {
	keys := make([]Key, len(contextKeys))
	for i, k := range contextKeys {
		keys[i] = k.Key
	}
	return keys
}

// ParseVolumeContext reads a volume context; the volume's ID is left empty.
// The error names every field that is wrong.
func ParseVolumeContext(context map[string]string) (multipath.Volume, error) {
	var p problems
	v := p.volumeContext(context)
	return v, p.err()
}

// VolumeContext returns the context from which ParseVolumeContext makes v. What
// has its default value is left out.
func VolumeContext(v multipath.Volume) map[string]string {
	context := make(map[string]string)
	for _, k := range contextKeys {
		if s := k.format(&v); s != "" && s != k.Default {
			context[k.Name] = s
		}
	}
	return context
}

// defaultVolume is what a volume context without optional keys asks for.
func defaultVolume() multipath.Volume {
	return multipath.Volume{MinPaths: 1, Connect: multipath.DefaultConnectOptions()}
}

func contextField(key string) string { return fmt.Sprintf("volume_context[%.64q]", key) }

// volumeContext checks a volume context.
func (p *problems) volumeContext(context map[string]string) multipath.Volume {
	v := defaultVolume()
	known := make(map[string]bool)
	before := len(*p)
	for _, k := range contextKeys {
		known[k.Name] = true
		s, given := context[k.Name]
		switch {
		case !given && k.Required:
			p.add(contextField(k.Name), errors.New("is missing"))
		case !given:
		case len(s) > maxContextValue:
			p.add(contextField(k.Name), fmt.Errorf("has %d bytes, at most %d are allowed", len(s), maxContextValue))
		default:
			p.add(contextField(k.Name), k.parse(&v, s))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(context)) {
		foreign := slices.ContainsFunc(foreignPrefixes, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
		if !known[key] && !foreign {
			p.add(contextField(key), errors.New("is not a key that Braid knows"))
		}
	}
	_, uuid := context["namespaceUUID"]
	_, nguid := context["namespaceNGUID"]
	_, eui64 := context["namespaceEUI64"]
	if !uuid && !nguid && !eui64 {
		p.add("volume_context", errors.New("one of namespaceUUID, namespaceNGUID and namespaceEUI64 is needed"))
	}
	if len(*p) == before {
		p.agreement(&v)
	}
	return v
}

// agreement checks what two keys say together, each being fine by itself.
func (p *problems) agreement(v *multipath.Volume) {
	c := v.Connect
	if v.MinPaths > len(v.Addresses) {
		p.add(contextField("minPaths"), fmt.Errorf("%d paths are asked for, %d addresses are given", v.MinPaths, len(v.Addresses)))
	}
	if c.ControllerLossTimeout >= 0 {
		if c.ReconnectDelay > c.ControllerLossTimeout {
			p.add(contextField("reconnectDelay"), fmt.Errorf("%s is more than ctrlLossTimeout %s", c.ReconnectDelay, c.ControllerLossTimeout))
		}
		if c.FastIOFailTimeout > c.ControllerLossTimeout {
			p.add(contextField("fastIOFailTimeout"), fmt.Errorf("%s is more than ctrlLossTimeout %s", c.FastIOFailTimeout, c.ControllerLossTimeout))
		}
	}
}
