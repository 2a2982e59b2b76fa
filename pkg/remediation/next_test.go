package remediation

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

type changes []func(*Situation)

// answer is a decision without its words.
type answer struct {
	Step   Step
	Path   string
	Reason Reason
	At     time.Time
}

func answerOf(d Decision) answer { return answer{d.Step, d.Path, d.Reason, d.At} }

func TestNext(t *testing.T) {
	first := key(0)
	for name, tc := range map[string]struct {
		is     changes
		policy func(*Policy)
		want   answer
	}{
		"all is well":                 {nil, nil, answer{Reason: AlreadyFine}},
		"not on the node":             {changes{func(s *Situation) { s.Set = nil }}, nil, answer{Reason: NotStaged}},
		"being staged":                {changes{flapping, func(s *Situation) { s.Set.Device.State = multipath.DevicePending }}, nil, answer{Reason: NotStaged}},
		"nothing may be done":         {changes{flapping}, func(p *Policy) { p.Steps = nil }, answer{Reason: NoSteps}},
		"suspended":                   {changes{flapping, func(s *Situation) { s.Suspended.All = true }}, nil, answer{Reason: Suspended}},
		"suspended for the address":   {changes{flapping, func(s *Situation) { s.Suspended.Addresses = append(s.Suspended.Addresses, address(0)) }}, nil, answer{Path: first, Reason: Suspended}},
		"under maintenance":           {changes{flapping, func(s *Situation) { s.Set.Paths[0].Maintenance = &multipath.Maintenance{} }}, nil, answer{Path: first, Reason: Suspended}},
		"suspended for another":       {changes{flapping, func(s *Situation) { s.Suspended.Addresses = append(s.Suspended.Addresses, address(1)) }}, nil, answer{Step: ResetController, Path: first}},
		"another step is on its way":  {changes{flapping, tried(key(1), ResetController, time.Minute), func(s *Situation) { s.Attempts[0].Ended = time.Time{} }}, nil, answer{Reason: InProgress}},
		"flapping":                    {changes{flapping}, nil, answer{Step: ResetController, Path: first}},
		"flapping, not often enough":  {changes{flappedAt(5*time.Minute, time.Minute)}, nil, answer{Reason: Stabilizing, At: noon.Add(4 * time.Minute)}},
		"flapping, not lately enough": {changes{flappedAt(30*time.Minute, 20*time.Minute, 15*time.Minute)}, nil, answer{Step: ResetCounters}},
		"unstable":                    {changes{unstable}, nil, answer{Step: ResetController, Path: first}},
		"flapping, of unproved connections": {changes{flapping, evidence("nvme0", func(e *multipath.Evidence) { e.Connections = multipath.Unproved })}, nil,
			answer{Path: first, Reason: NoStepFits}},
		"flapping, and not Braid's":                {changes{flapping, foreign}, nil, answer{Path: first, Reason: NotOurs}},
		"flapping, and not asked for":              {changes{flapping, func(s *Situation) { s.Set.Paths[0].Expected = false }}, nil, answer{Reason: Stabilizing, At: noon.Add(4 * time.Minute)}},
		"flapping, the other is lost":              {changes{flapping, inaccessible(1)}, nil, answer{Path: first, Reason: LastUsablePath}},
		"flapping, the other is silent":            {changes{flapping, evidence("nvme1", func(e *multipath.Evidence) { e.Connections = multipath.Silent })}, nil, answer{Path: first, Reason: LastUsablePath}},
		"flapping, a neighbour has only this path": {changes{flapping, neighbourAlone}, nil, answer{Path: first, Reason: LastUsablePath}},
		"flapping, a neighbour has only the other": {changes{flapping, func(s *Situation) {
			s.Subsystem.Heads[1].Paths = s.Subsystem.Heads[1].Paths[1:]
		}}, nil, answer{Step: ResetController, Path: first}},
		"flapping, and no step for that": {changes{flapping}, func(p *Policy) { p.Steps = []Step{ResetCounters} }, answer{Path: first, Reason: NoStepFits}},

		"no namespace":                   {changes{withoutNamespace}, nil, answer{Step: Rescan, Path: first}},
		"no namespace, scanned in vain":  {changes{withoutNamespace, tried(first, Rescan, 2*time.Minute)}, nil, answer{Step: ResetController, Path: first}},
		"no namespace, all tried":        {changes{withoutNamespace, tried(first, Rescan, 9*time.Minute), tried(first, ResetController, 3*time.Minute)}, nil, answer{Step: Rescan, Path: first}},
		"no namespace, scan is first":    {changes{withoutNamespace}, func(p *Policy) { p.Steps = []Step{ResetController, Rescan} }, answer{Step: ResetController, Path: first}},
		"no namespace, another's is":     {changes{withoutNamespace, neighbourAlone}, nil, answer{Path: first, Reason: LastUsablePath}},
		"inaccessible as the target has": {changes{inaccessible(0)}, nil, answer{Path: first, Reason: NoStepFits}},
		"much worse":                     {changes{slowOne}, nil, answer{Step: Bench, Path: first}},
		"much worse, the only one":       {changes{slowOne, inaccessible(1)}, nil, answer{Path: first, Reason: LastUsablePath}},
		"much worse, a neighbour's only": {changes{slowOne, neighbourAlone}, nil, answer{Path: first, Reason: LastUsablePath}},
		"benched":                        {changes{slowOne, onTheBench}, nil, answer{Reason: Stabilizing, At: noon.Add(5 * time.Minute)}},
		"on a detour":                    {changes{onDetour}, nil, answer{Path: first, Reason: NoStepFits}},
		"on a detour, and flapping":      {changes{onDetour, flapping}, nil, answer{Step: ResetController, Path: first}},
		"no controller":                  {changes{inState(nvme.StateAbsent), func(s *Situation) { s.Set.Paths[0].Controller = "" }}, nil, answer{Path: first, Reason: NoStepFits}},
		"being reset":                    {changes{inState(nvme.StateResetting)}, nil, answer{Path: first, Reason: NoStepFits}},

		"connecting": {changes{inState(nvme.StateConnecting)}, nil, answer{Step: Reconnect, Path: first}},
		"connecting, just lost": {changes{inState(nvme.StateConnecting), flappedAt(20 * time.Second)}, nil,
			answer{Path: first, Reason: BackOff, At: noon.Add(40 * time.Second)}},
		"connecting, with I/O in flight": {changes{inState(nvme.StateConnecting), evidence("nvme0", func(e *multipath.Evidence) { *e.InFlight = 1 })}, nil, answer{Path: first, Reason: NoStepFits}},
		"connecting, in flight unknown":  {changes{inState(nvme.StateConnecting), evidence("nvme0", func(e *multipath.Evidence) { e.InFlight = nil })}, nil, answer{Path: first, Reason: NoStepFits}},
		"connecting, the only path of a neighbour": {changes{inState(nvme.StateConnecting), neighbourAlone}, nil,
			answer{Path: first, Reason: LastUsablePath}},

		"silent":                            {changes{dead}, nil, answer{Step: KickConnection, Path: first}},
		"silent, and so is everything else": {changes{dead, evidence("nvme0", func(e *multipath.Evidence) { e.OthersComplete = false })}, nil, answer{Path: first, Reason: NoStepFits}},
		"silent, the same requests as before": {changes{dead, tried(key(1), KickConnection, 10*time.Minute), func(s *Situation) { s.Attempts[0].Requests = "7" }}, nil,
			answer{Path: first, Reason: SameRequests}},
		"silent, other requests than before": {changes{dead, tried(key(1), KickConnection, 10*time.Minute), func(s *Situation) { s.Attempts[0].Requests = "6" }}, nil,
			answer{Step: KickConnection, Path: first}},
		"slow, as seen by the network": {changes{dead, evidence("nvme0", func(e *multipath.Evidence) { e.Connections = multipath.Answering })}, nil, answer{Reason: AlreadyFine}},

		"tried just now": {changes{flapping, tried(first, ResetController, 90*time.Second), func(s *Situation) { s.Set.Paths[0].Record.LastEvent = ago(time.Second) }}, func(p *Policy) { p.BackOff = 2 * time.Minute },
			answer{Path: first, Reason: BackOff, At: noon.Add(30 * time.Second)}},
		"tried twice": {changes{flapping, tried(first, ResetController, 10*time.Minute, 90*time.Second)}, nil,
			answer{Path: first, Reason: BackOff, At: noon.Add(30 * time.Second)}},
		"tried, and it is not over": {changes{flapping, tried(first, ResetController, 4*time.Minute)}, nil, answer{Step: ResetController, Path: first}},
		"tried, and quiet since":    {changes{flapping, tried(first, ResetController, 30*time.Second)}, nil, answer{Path: first, Reason: Stabilizing}},
		"tried, what it did itself": {changes{flapping, tried(first, ResetController, 65*time.Second)}, nil, answer{Path: first, Reason: Stabilizing}},
		"tried too often": {changes{flapping, tried(first, ResetController, 50*time.Minute, 40*time.Minute, 30*time.Minute)}, nil,
			answer{Path: first, Reason: AttemptsExhausted, At: noon.Add(10 * time.Minute)}},
		"tried too often, long ago": {changes{flapping, tried(first, ResetController, 70*time.Minute, 65*time.Minute, 61*time.Minute)}, nil, answer{Step: ResetController, Path: first}},
		"tried too often on the other": {changes{flapping, tried(key(1), ResetController, 50*time.Minute, 40*time.Minute, 30*time.Minute)}, nil,
			answer{Step: ResetController, Path: first}},

		"over": {changes{flappedAt(20 * time.Minute)}, nil, answer{Step: ResetCounters}},
		"over, and reset": {changes{flappedAt(20 * time.Minute), func(s *Situation) { s.Set.LastReset = &ledger.Reset{At: ago(15 * time.Minute)} }}, nil,
			answer{Reason: AlreadyFine}},
		"over, reset before it":           {changes{flappedAt(20 * time.Minute), func(s *Situation) { s.Set.LastReset = &ledger.Reset{At: ago(25 * time.Minute)} }}, nil, answer{Step: ResetCounters}},
		"over, counters are left alone":   {changes{flappedAt(20 * time.Minute)}, func(p *Policy) { p.Steps = []Step{Rescan} }, answer{Reason: AlreadyFine}},
		"over, usable for a short time":   {changes{flappedAt(20 * time.Minute), func(s *Situation) { s.UsableSince[key(0)] = ago(time.Minute) }}, nil, answer{Reason: Stabilizing, At: noon.Add(4 * time.Minute)}},
		"over, nobody knows for how long": {changes{flappedAt(20 * time.Minute), func(s *Situation) { delete(s.UsableSince, key(1)) }}, nil, answer{Reason: Stabilizing, At: noon.Add(5 * time.Minute)}},
		"over, another path is down":      {changes{flappedAt(20 * time.Minute), inaccessible(1)}, nil, answer{Path: key(1), Reason: NoStepFits}},
		"over, another path is worked on": {changes{flappedAt(20 * time.Minute), func(s *Situation) { s.Suspended.Addresses = append(s.Suspended.Addresses, address(1)) }}, nil, answer{Path: key(1), Reason: Suspended}},
		"over, something on a foreign path": {changes{flappedAt(20 * time.Minute), func(s *Situation) {
			s.Set.Paths = append(s.Set.Paths, multipath.Path{Key: "x", Record: record(time.Minute)})
		}}, nil, answer{Reason: Stabilizing, At: noon.Add(4 * time.Minute)}},
		"over, the reset failed":          {changes{flappedAt(20 * time.Minute), tried("orders", ResetCounters, 30*time.Second)}, nil, answer{Reason: BackOff, At: noon.Add(30 * time.Second)}},
		"over, the reset fails and fails": {changes{flappedAt(20 * time.Minute), tried("orders", ResetCounters, 50*time.Minute, 40*time.Minute, 30*time.Minute)}, nil, answer{Reason: AttemptsExhausted, At: noon.Add(10 * time.Minute)}},
	} {
		s, p := scene(), everything()
		for _, change := range tc.is {
			change(&s)
		}
		if tc.policy != nil {
			tc.policy(&p)
		}
		d := Next(p, s)
		if diff := cmp.Diff(tc.want, answerOf(d)); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", name, d.Message, diff)
		}
		if (d.Reason == "") == (d.Message != "") {
			t.Errorf("%s: reason %q, message %q", name, d.Reason, d.Message)
		}
	}
}

// TestPermit is about what people ask for: nobody waits for them, and nothing
// dangerous is done for them either.
func TestPermit(t *testing.T) {
	for name, tc := range map[string]struct {
		is   changes
		step Step
		want Reason // "" if it is permitted
	}{
		"flapping":                  {changes{flapping}, ResetController, ""},
		"flapping, tried too often": {changes{flapping, tried(key(0), ResetController, 50*time.Minute, 40*time.Minute, time.Second)}, ResetController, ""},
		"flapping, suspended":       {changes{flapping, func(s *Situation) { s.Suspended.All = true }}, ResetController, ""},
		"fine":                      {nil, ResetController, AlreadyFine},
		"fine, kicked":              {nil, KickConnection, AlreadyFine},
		"much worse":                {changes{slowOne}, Bench, ""},
		"much worse, reset":         {changes{slowOne}, ResetController, NoStepFits},
		"much worse, no answer":     {changes{slowOne, evidence("nvme0", func(e *multipath.Evidence) { e.Connections = multipath.Unproved })}, Bench, NoStepFits},
		"flapping, benched":         {changes{flapping}, Bench, NoStepFits},
		"on a detour":               {changes{onDetour}, ResetController, ""},
		"on a detour, kicked":       {changes{onDetour}, KickConnection, NoStepFits},
		"counters, while it flaps":  {changes{flapping}, ResetCounters, ""},
		"counters, not staged":      {changes{func(s *Situation) { s.Set = nil }}, ResetCounters, NotStaged},
		"no such path":              {changes{func(s *Situation) { s.Set.Paths = s.Set.Paths[1:] }}, Rescan, NotStaged},
		"another step":              {changes{flapping, func(s *Situation) { s.Attempts = []Attempt{{}} }}, ResetController, InProgress},
		"not Braid's":               {changes{flapping, foreign}, ResetController, NotOurs},
		"the last path":             {changes{flapping, neighbourAlone}, ResetController, LastUsablePath},
		"kicked though it answers":  {changes{flapping}, KickConnection, NoStepFits},
		"reset though it is silent": {changes{dead}, ResetController, NoStepFits},
		"reset while connecting":    {changes{inState(nvme.StateConnecting)}, ResetController, NoStepFits},
		"reconnected while live":    {changes{flapping}, Reconnect, NoStepFits},
		"the kernel knows better":   {changes{flapping, func(s *Situation) { s.Subsystem.Controllers[0].State = nvme.StateResetting }}, ResetController, NoStepFits},
		"the controller is gone":    {changes{flapping, func(s *Situation) { s.Subsystem.Controllers = s.Subsystem.Controllers[1:] }}, ResetController, NoStepFits},
		"the subsystem is gone":     {changes{flapping, func(s *Situation) { s.Subsystem = nil }}, ResetController, NoStepFits},
		"a step of tomorrow":        {changes{flapping}, "Reboot", NoStepFits},
		"the other is on a detour": {changes{onDetour, func(s *Situation) {
			s.Set.Paths[0].SrcAddr, s.Set.Paths[1].SrcAddr = s.Set.Paths[0].FirstSrcAddr, s.Set.Paths[0].FirstSrcAddr
		}}, ResetController, AlreadyFine},
		"on a way of its own":           {changes{onDetour, func(s *Situation) { s.Set.Paths[0].SrcAddr = "192.0.2.103" }}, ResetController, AlreadyFine},
		"the other's way is lost":       {changes{onDetour, inaccessible(1)}, ResetController, AlreadyFine},
		"where it first was is unknown": {changes{onDetour, func(s *Situation) { s.Set.Paths[0].FirstSrcAddr = "" }}, ResetController, AlreadyFine},
	} {
		s := scene()
		for _, change := range tc.is {
			change(&s)
		}
		d := Permit(everything(), s, tc.step, key(0))
		if d.Reason != tc.want || (d.Reason == "") != (d.Step == tc.step) {
			t.Errorf("%s: %+v, want reason %q", name, d, tc.want)
		}
	}
}
