package poll

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestPulse(t *testing.T) {
	const pause = 50 * time.Millisecond
	for _, tt := range []struct {
		name string
		// answers are how long they take, the last one's time is that of all
		// further ones, too; silent are those at the beginning that are none.
		answers []time.Duration
		silent  int
		want    time.Duration
	}{
		{"lively", []time.Duration{0}, 0, pause},
		{"stood still once", []time.Duration{0, 6 * time.Second, 0}, 0, pause + 6*time.Second},
		{"stands still", []time.Duration{0, time.Hour}, 0, 10 * time.Second},
		{"is not heard at first", []time.Duration{0}, 10, 10 * pause},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				p := TakePulse(t.Context(), pause, func(ctx context.Context) bool {
					takes := tt.answers[min(n, len(tt.answers)-1)]
					n++
					select {
					case <-time.After(takes):
					case <-ctx.Done():
					}
					return n > tt.silent
				})
				defer p.Stop()
				<-time.After(10 * time.Second)
				synctest.Wait()
				if got := p.Longest(); got != tt.want {
					t.Errorf("longest %s, want %s", got, tt.want)
				}
			})
		})
	}
}
