package insanely

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// The pauses between two attempts of Wait. A daemon answers a few tens of milliseconds
// after its start; the longer pause is for a caller that waits for a whole boot.
const (
	firstPause = 10 * time.Millisecond
	lastPause  = 100 * time.Millisecond
)

// Wait calls Info until a daemon answers. Use it after starting a daemon. It repeats after
// ErrNoDaemon, while the queue of the daemon is full, and if the daemon, which may just be
// starting, does not answer in time; it returns any other error at once. If ctx ends first,
// Wait returns the last of these errors, which says what is missing.
func (c *Client) Wait(ctx context.Context) (api.Info, error) {
	info, err := c.Info(ctx)
	for pause := firstPause; mayCome(err); pause = min(2*pause, lastPause) {
		select {
		case <-ctx.Done():
			return api.Info{}, err
		case <-time.After(pause):
		}
		again, errAgain := c.Info(ctx)
		if errAgain != nil && ctx.Err() != nil {
			return api.Info{}, err // the earlier error tells more than the interruption of this attempt
		}
		info, err = again, errAgain
	}
	return info, err
}

// mayCome reports whether a daemon may answer later, after an error.
func mayCome(err error) bool {
	return errors.Is(err, ErrNoDaemon) || errors.Is(err, syscall.EAGAIN) || errors.Is(err, context.DeadlineExceeded)
}
