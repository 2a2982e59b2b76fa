package remediation

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
)

// TestVerify is about the first path, of which a step ended ten minutes ago,
// unless a case says otherwise. The stabilisation time is five minutes, the
// first back-off one.
func TestVerify(t *testing.T) {
	for name, tc := range map[string]struct {
		changes []func(*Situation)
		ended   time.Duration // ago
		want    answer
	}{
		"well ever since":           {nil, 10 * time.Minute, answer{Path: key(0), Reason: Over}},
		"well, but not for long":    {nil, 4 * time.Minute, answer{Path: key(0), Reason: Stabilizing, At: noon.Add(time.Minute)}},
		"flapped before the step":   {changes{flappedAt(8*time.Minute, 7*time.Minute, 6*time.Minute)}, 6 * time.Minute, answer{Path: key(0), Reason: Over}},
		"flapped in the aftermath":  {changes{flappedAt(8*time.Minute, 7*time.Minute, 6*time.Minute-5*time.Second)}, 6 * time.Minute, answer{Path: key(0), Reason: Over}},
		"flapped since":             {changes{flappedAt(8*time.Minute, 7*time.Minute, time.Minute)}, 6 * time.Minute, answer{Path: key(0), Reason: FaultPersists}},
		"failed over once since":    {changes{flappedAt(3 * time.Minute)}, 10 * time.Minute, answer{Path: key(0), Reason: Stabilizing, At: noon.Add(2 * time.Minute)}},
		"usable for a moment only":  {changes{usableFor(time.Minute)}, 10 * time.Minute, answer{Path: key(0), Reason: Stabilizing, At: noon.Add(4 * time.Minute)}},
		"nobody knows for how long": {changes{usableFor(-1)}, 10 * time.Minute, answer{Path: key(0), Reason: Stabilizing, At: noon.Add(5 * time.Minute)}},
		"connecting, just now":      {changes{inState(nvme.StateConnecting)}, 20 * time.Second, answer{Path: key(0), Reason: Stabilizing, At: noon.Add(40 * time.Second)}},
		"connecting, still":         {changes{inState(nvme.StateConnecting)}, time.Minute, answer{Path: key(0), Reason: FaultPersists}},
		"silent":                    {changes{dead}, 2 * time.Minute, answer{Path: key(0), Reason: FaultPersists}},
		"the namespace is missing":  {changes{withoutNamespace}, 2 * time.Minute, answer{Path: key(0), Reason: FaultPersists}},
		"the second attempt waits longer": {changes{inState(nvme.StateConnecting), tried(key(0), ResetController, 10*time.Minute, 90*time.Second)},
			90 * time.Second, answer{Path: key(0), Reason: Stabilizing, At: noon.Add(30 * time.Second)}},
		"benched":              {changes{onTheBench}, 0, answer{Path: key(0), Reason: Over}},
		"on the detour, still": {changes{onDetour}, 2 * time.Minute, answer{Path: key(0), Reason: FaultPersists}},
		"another path is bad":  {changes{inaccessible(1)}, 10 * time.Minute, answer{Path: key(0), Reason: Over}},
		"unstaged":             {changes{func(s *Situation) { s.Set = nil }}, time.Minute, answer{Path: key(0), Reason: NotStaged}},
	} {
		t.Run(name, func(t *testing.T) {
			s := scene()
			for _, change := range tc.changes {
				change(&s)
			}
			if diff := cmp.Diff(tc.want, answerOf(Verify(everything(), s, key(0), ago(tc.ended)))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// usableFor says for how long the first path has been usable; less than nothing:
// nobody knows.
func usableFor(d time.Duration) func(*Situation) {
	return func(s *Situation) {
		if s.UsableSince[key(0)] = ago(d); d < 0 {
			delete(s.UsableSince, key(0))
		}
	}
}
