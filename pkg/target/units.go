package target

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Bytes is a size that is written as "64MiB" in JSON: a number with B, KiB,
// MiB, GiB or TiB.
type Bytes int64

var byteUnits = []struct {
	name  string
	shift int
}{{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}}

// UnmarshalText reads a size.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := string(text)
	for _, u := range byteUnits {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64>>u.shift {
			break
		}
		*b = Bytes(n << u.shift)
		return nil
	}
	return fmt.Errorf("%q is not a size such as 64MiB", s)
}

// MarshalText writes the size in bytes.
func (b Bytes) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%dB", int64(b)), nil }

// Set makes a size a command line flag.
func (b *Bytes) Set(s string) error { return b.UnmarshalText([]byte(s)) }

func (b Bytes) String() string { return fmt.Sprintf("%dB", int64(b)) }

// Duration is a duration that is written as "100ms" in JSON.
type Duration time.Duration

// UnmarshalText reads a duration, which is not negative.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err == nil && v < 0 {
		err = fmt.Errorf("%s is negative", v)
	}
	*d = Duration(v)
	return err
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }
