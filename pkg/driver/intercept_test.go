package driver

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestAnswerInTime: a call that waits for as long as it may ends before its
// caller has gone, and in any case.
func TestAnswerInTime(t *testing.T) {
	for caller, want := range map[time.Duration]time.Duration{
		2 * time.Second:  1800 * time.Millisecond,
		10 * time.Second: 9 * time.Second,
		time.Minute:      55 * time.Second,
		2 * time.Minute:  callTimeout,
		0:                callTimeout, // for ever
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			if caller > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, caller)
				defer cancel()
			}
			start := time.Now()
			_, err := answerInTime(ctx, nil, nil, func(ctx context.Context, _ any) (any, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})
			if took := time.Since(start); took != want || err == nil || ctx.Err() != nil {
				t.Errorf("with a caller of %s patience: %v after %s, want an error after %s", caller, err, took, want)
			}
		})
	}
}
