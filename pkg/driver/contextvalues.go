package driver

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

// namespaceKey is one of the three ways to name the namespace.
func namespaceKey(name string, t nvme.IDType) contextKey {
	return contextKey{
		Key{Name: name, Meaning: fmt.Sprintf("%s of the namespace; exactly one of the three namespace keys is given", strings.TrimPrefix(name, "namespace"))},
		func(v *multipath.Volume, s string) error {
			if !v.Namespace.IsZero() {
				return fmt.Errorf("the namespace is named by its %s already", v.Namespace.Type)
			}
			id, err := nvme.ParseNamespaceID(t, s)
			v.Namespace = id
			return err
		},
		func(v *multipath.Volume) string {
			if v.Namespace.Type != t {
				return ""
			}
			return v.Namespace.Value
		},
	}
}

// durationKey is a time in whole seconds, which is what the kernel counts in;
// where that makes sense, "never" stands for a negative one.
func durationKey(name string, least, most time.Duration, orNever bool, meaning string, of func(*multipath.ConnectOptions) *time.Duration) contextKey {
	format := func(v *multipath.Volume) string {
		d := *of(&v.Connect)
		if d < 0 {
			return never
		}
		return d.String()
	}
	defaults := defaultVolume()
	parse := func(v *multipath.Volume, s string) error {
		if s == never && orNever {
			*of(&v.Connect) = -1
			return nil
		}
		d, err := time.ParseDuration(s)
		if err != nil || d < least || d > most || d%time.Second != 0 {
			return fmt.Errorf("%q is not a time in whole seconds from %s to %s, such as 30s or 10m", s, least, most)
		}
		*of(&v.Connect) = d
		return nil
	}
	return contextKey{Key{Name: name, Default: format(&defaults), Meaning: meaning}, parse, format}
}

// digestKey is a switch that is off by default.
func digestKey(name, meaning string, of func(*multipath.ConnectOptions) *bool) contextKey {
	return contextKey{
		Key{Name: name, Default: "false", Meaning: meaning},
		func(v *multipath.Volume, s string) error {
			if s != "true" && s != "false" {
				return fmt.Errorf("%q is neither true nor false", s)
			}
			*of(&v.Connect) = s == "true"
			return nil
		},
		func(v *multipath.Volume) string { return strconv.FormatBool(*of(&v.Connect)) },
	}
}

// addressesKey is a list of distinct addresses.
func addressesKey(k Key, most int, parse func(string) (nvme.TransportID, error), of func(*multipath.Volume) *[]nvme.TransportID) contextKey {
	read := func(v *multipath.Volume, s string) error {
		list := strings.Split(s, ",")
		if len(list) > most {
			return fmt.Errorf("has %d addresses, at most %d are allowed", len(list), most)
		}
		var ids []nvme.TransportID
		for _, a := range list {
			id, err := parse(strings.TrimSpace(a))
			if err != nil {
				return err
			}
			if slices.Contains(ids, id) {
				return fmt.Errorf("%s is given twice", id.Address())
			}
			ids = append(ids, id)
		}
		*of(v) = ids
		return nil
	}
	return contextKey{k, read, func(v *multipath.Volume) string {
		var list []string
		for _, a := range *of(v) {
			list = append(list, a.Address())
		}
		return strings.Join(list, ",")
	}}
}

func parseIOPolicy(v *multipath.Volume, s string) error {
	switch policy := nvme.IOPolicy(s); policy {
	case nvme.IOPolicyNUMA, nvme.IOPolicyRoundRobin, nvme.IOPolicyQueueDepth:
		v.IOPolicy = policy
		return nil
	}
	return fmt.Errorf("%q is none of %s, %s, %s", s, nvme.IOPolicyNUMA, nvme.IOPolicyRoundRobin, nvme.IOPolicyQueueDepth)
}

// numberKey is a decimal number within bounds.
func numberKey(name string, least, most int, meaning string, of func(*multipath.Volume) *int) contextKey {
	defaults := defaultVolume()
	return contextKey{
		Key{Name: name, Default: strconv.Itoa(*of(&defaults)), Meaning: meaning},
		func(v *multipath.Volume, s string) error {
			n, err := strconv.Atoi(s)
			if err != nil || n < least || n > most {
				return fmt.Errorf("%q is not a number from %d to %d", s, least, most)
			}
			*of(v) = n
			return nil
		},
		func(v *multipath.Volume) string { return strconv.Itoa(*of(v)) },
	}
}
