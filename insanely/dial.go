package insanely

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// The pauses between two attempts to connect. The first ones are short, because a daemon
// takes a connection from its queue every few microseconds.
const (
	firstRetry = 200 * time.Microsecond
	lastRetry  = 2 * time.Millisecond

	// dialMargin is the part of the time of a request that is left when dialInTime gives up,
	// so that its error is the one that the caller gets.
	dialMargin = 10 // a tenth
)

// lastDialKey is the key of the time of the last attempt in a context. The deadline of the
// context cannot tell it: http.Transport dials in a context that has none.
type lastDialKey struct{}

// withLastDial notes in a context, which has a deadline, until when dialInTime may try.
func withLastDial(ctx context.Context) context.Context {
	deadline, _ := ctx.Deadline()
	return context.WithValue(ctx, lastDialKey{}, deadline.Add(-time.Until(deadline)/dialMargin))
}

// dialInTime calls dial until it succeeds, fails otherwise than with EAGAIN, or nine tenths of
// the time of the request have passed. The kernel returns EAGAIN while the queue of connections
// that the daemon has not accepted yet is full, since a connection that does not block cannot
// wait for that. Other users may fill the queue again and again.
func dialInTime(ctx context.Context, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	conn, err := dial(ctx)
	last, _ := ctx.Value(lastDialKey{}).(time.Time)
	for pause := firstRetry; errors.Is(err, syscall.EAGAIN) && time.Now().Add(pause).Before(last); {
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
		pause = min(2*pause, lastRetry)
		conn, err = dial(ctx)
	}
	return conn, err
}
