package insanely

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A connection that finds the queue full is tried again until there is room, and no longer
// than the request may take.
func TestDialInTime(t *testing.T) {
	for _, tt := range []struct {
		name  string
		full  time.Duration // how long the queue is full
		limit time.Duration // of the request
		ok    bool
	}{
		{"room at once", 0, time.Second, true},
		{"room after a while", 700 * time.Millisecond, time.Second, true},
		{"room too late", 950 * time.Millisecond, time.Second, false},
		{"never room", time.Hour, time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
				defer cancel()
				near, far := net.Pipe()
				defer near.Close()
				defer far.Close()
				conn, err := dialInTime(withLastDial(ctx), func(context.Context) (net.Conn, error) {
					if time.Since(began) < tt.full {
						return nil, refusedWith(syscall.EAGAIN)
					}
					return near, nil
				})
				took := time.Since(began)
				if tt.ok && (err != nil || conn != near || took > tt.full+lastRetry) {
					t.Errorf("after %v: %v, %v", took, conn, err)
				}
				if !tt.ok && (!errors.Is(err, syscall.EAGAIN) || took > tt.limit*9/10 || took < tt.limit*8/10) {
					t.Errorf("after %v: %v, %v; want EAGAIN shortly before the end", took, conn, err)
				}
			})
		})
	}
}

// Other errors are not tried again.
func TestDialOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, errno := range []syscall.Errno{syscall.ECONNREFUSED, syscall.ENOENT, syscall.EACCES} {
		tries := 0
		_, err := dialInTime(withLastDial(ctx), func(context.Context) (net.Conn, error) { tries++; return nil, refusedWith(errno) })
		if tries != 1 || !errors.Is(err, errno) {
			t.Errorf("%v: %d tries, %v", errno, tries, err)
		}
	}
}
