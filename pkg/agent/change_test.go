package agent

import (
	"reflect"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

func TestChanged(t *testing.T) {
	status := func() *v1alpha1.NVMePathSetStatus {
		set := orders()
		s := statusOf(v1alpha1.NVMePathSetStatus{}, "native", &set, nil, noon)
		return &s
	}
	tests := map[string]struct {
		change func(*v1alpha1.NVMePathSetStatus)
		want   change
	}{
		"nothing":    {func(*v1alpha1.NVMePathSetStatus) {}, nothing},
		"read later": {func(s *v1alpha1.NVMePathSetStatus) { s.CountersObservedAt = stamp(after(5)) }, nothing},
		"other zone": {func(s *v1alpha1.NVMePathSetStatus) { inOtherZone(&s.Conditions[0].LastTransitionTime) }, nothing},
		"failovers": {func(s *v1alpha1.NVMePathSetStatus) {
			s.Paths[0].Failovers = &v1alpha1.Count{SinceReset: 1, Lifetime: 1}
		}, counters},
		"lifetime alone":      {func(s *v1alpha1.NVMePathSetStatus) { s.Paths[0].Failovers = &v1alpha1.Count{Lifetime: 1} }, counters},
		"sum":                 {func(s *v1alpha1.NVMePathSetStatus) { s.Failovers = nil }, counters},
		"counted anew":        {func(s *v1alpha1.NVMePathSetStatus) { s.Paths[1].CountedSince = stamp(noon) }, counters},
		"path state":          {func(s *v1alpha1.NVMePathSetStatus) { s.Paths[1].ControllerState = "connecting" }, state},
		"path gone":           {func(s *v1alpha1.NVMePathSetStatus) { s.Paths = s.Paths[:1] }, state},
		"condition":           {func(s *v1alpha1.NVMePathSetStatus) { s.Conditions[1].Status = metav1.ConditionFalse }, state},
		"message":             {func(s *v1alpha1.NVMePathSetStatus) { s.Conditions[1].Message = "?" }, state},
		"reset":               {func(s *v1alpha1.NVMePathSetStatus) { s.LastReset = &v1alpha1.ResetRecord{ID: "R1"} }, state},
		"state and a counter": {func(s *v1alpha1.NVMePathSetStatus) { s.Device, s.Failovers = "nvme9n1", nil }, state},
	}
	for name, tt := range tests {
		is := status()
		tt.change(is)
		if got := changed(status(), is); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
		if got := changed(is, status()); got != tt.want {
			t.Errorf("%s, the other way round: %d, want %d", name, got, tt.want)
		}
	}
}

func inOtherZone(t *metav1.Time) { t.Time = t.In(time.FixedZone("far away", 3600)) }

// TestEveryFieldIsCompared finds the field that somebody adds and forgets to
// compare: it would be written by chance alone.
func TestEveryFieldIsCompared(t *testing.T) {
	status := func() v1alpha1.NVMePathSetStatus {
		return v1alpha1.NVMePathSetStatus{Paths: make([]v1alpha1.PathStatus, 1), Conditions: make([]metav1.Condition, 1), LastReset: &v1alpha1.ResetRecord{}}
	}
	check := func(of string, in func(*v1alpha1.NVMePathSetStatus) reflect.Value) {
		blank := status()
		for i := range in(&blank).NumField() {
			field := in(&blank).Type().Field(i).Name
			if field == "CountersObservedAt" { // is no change
				continue
			}
			is := status()
			fill(in(&is).Field(i))
			if changed(&blank, &is) == nothing {
				t.Errorf("%s.%s is not compared", of, field)
			}
		}
	}
	check("NVMePathSetStatus", func(s *v1alpha1.NVMePathSetStatus) reflect.Value { return reflect.ValueOf(s).Elem() })
	check("PathStatus", func(s *v1alpha1.NVMePathSetStatus) reflect.Value { return reflect.ValueOf(&s.Paths[0]).Elem() })
	check("Condition", func(s *v1alpha1.NVMePathSetStatus) reflect.Value { return reflect.ValueOf(&s.Conditions[0]).Elem() })
	check("ResetRecord", func(s *v1alpha1.NVMePathSetStatus) reflect.Value { return reflect.ValueOf(s.LastReset).Elem() })

	var blank v1alpha1.NVMePathSetSpec
	for i := range reflect.TypeOf(blank).NumField() {
		var is v1alpha1.NVMePathSetSpec
		fill(reflect.ValueOf(&is).Elem().Field(i))
		if sameSpec(&blank, &is) {
			t.Errorf("NVMePathSetSpec.%s is not compared", reflect.TypeOf(blank).Field(i).Name)
		}
	}
}

// fill makes a value another one than it is.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("another")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		} else {
			fill(v.Elem())
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
	case reflect.Struct:
		if t, ok := v.Addr().Interface().(*metav1.Time); ok {
			*t = metav1.NewTime(noon)
			return
		}
		fill(v.Field(0))
	default:
		panic(v.Kind())
	}
}
