package kubectl

import (
	"strings"
	"testing"
	"time"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"tcp://192.0.2.2:4420": "tcp://192.0.2.2:4420",
		"Größe 数 ✓":            "Größe 数 ✓",
		"\x1b[2Jgone":          "\uFFFD[2Jgone",
		"two\nlines\tone":      "two\uFFFDlines\uFFFDone",
		"C1 \u009b2J":          "C1 \uFFFD2J",
		"turned \u202e round":  "turned \uFFFD round",
		"no text \xff\xfe":     "no text \uFFFD\uFFFD",
		"wide\u3000blank":      "wide\uFFFDblank",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestPagesArePrintable: whatever the API has in its texts, a terminal gets
// lines of printable characters, and no cell makes another line of the table.
func TestPagesArePrintable(t *testing.T) {
	const evil = "x\x1b]0;title\x07\r\nHACKED\t\u202e\u009b"
	set := cut(newSet("shop", evil, evil), 13)
	set.Name, set.Spec.VolumeHandle, set.Spec.SubsystemNQN, set.Spec.NamespaceID.Value = evil, evil, evil, evil
	set.Spec.ClaimRef.Namespace = evil
	s := &set.Status
	s.Summary, s.Device, s.DeviceState, s.Engine, s.IOPolicy, s.HostNQN = evil, evil, evil, evil, evil, evil
	s.LastReset = &v1alpha1.ResetRecord{By: evil, Reason: evil, Time: *before(time.Minute)}
	for _, c := range []string{v1alpha1.ConditionReady, evil} {
		condition(&set, c, metav1.ConditionFalse, evil, evil)
	}
	for i := range s.Paths {
		p := &s.Paths[i]
		p.Maintenance = &v1alpha1.PathMaintenance{Name: evil, State: evil, Message: evil}
		p.Address, p.Controller, p.ControllerState, p.ANAState, p.ConnectError, p.CounterSource = evil, evil, evil, evil, evil, evil
	}
	r := record("x")
	r.Name, r.Spec.PathSet, r.Spec.NodeName, r.Spec.Reason, r.Spec.RequestedBy = evil, evil, evil, evil, evil
	r.Status.Conditions[0].Message, r.Status.Steps[0].Message, r.Status.Counters[0].Of = evil, evil, evil
	m := maintained(evil, v1alpha1.ConditionDrained, metav1.ConditionFalse, evil, evil)
	m.Spec.Address, m.Spec.Reason, m.Spec.RequestedBy, m.Spec.NodeNames = evil, evil, evil, []string{evil}
	event := corev1.Event{Reason: evil, Message: evil, Type: evil}
	v := view{first: map[pathKey]int64{}, begun: noon}
	v.observe([]v1alpha1.NVMePathSet{set}, noon)

	for name, fill := range map[string]func(*page){
		"status":   func(p *page) { p.status([]v1alpha1.NVMePathSet{set}) },
		"paths":    func(p *page) { p.paths(&set); p.line("%s", title(&set)); p.line("%s", verdict(&set)) },
		"describe": func(p *page) { p.describe(story{&set, []v1alpha1.NVMePathRemediation{*r}, []corev1.Event{event}, nil}) },
		"top":      func(p *page) { p.top(v) },
		"record":   func(p *page) { p.record(r) },

		"maintenance": func(p *page) { p.maintenance([]v1alpha1.NVMePathMaintenance{*m}) },
	} {
		var out strings.Builder
		if err := write(&out, noon, fill); err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(out.String(), "\n") {
			if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.HasPrefix(line, "HACKED") {
				t.Errorf("%s, line %d: %q", name, i+1, line)
			}
		}
	}
}

func TestAge(t *testing.T) {
	p := &page{now: noon}
	for _, c := range []struct {
		at   *metav1.Time
		want string
	}{
		{nil, ""}, {&metav1.Time{}, ""}, {before(90 * time.Second), "90s"}, {before(50 * time.Hour), "2d2h"},
		{before(-time.Minute), "0s"}, // a node whose clock is ahead
	} {
		if got := p.age(c.at); got != c.want {
			t.Errorf("age(%v) = %q, want %q", c.at, got, c.want)
		}
	}
}
