package insanely

import (
	"context"
	"errors"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// Between two tries of Wait. A daemon is up a few tens of milliseconds after it
// was started; the longer pause is for those that wait for a whole boot.
const (
	firstPause = 10 * time.Millisecond
	lastPause  = 100 * time.Millisecond
)

// Wait asks Info until a daemon answers, for those who have just started one. It
// goes on only as long as there is none: any other error is returned at once.
// When ctx ends first, the error is the ErrNoDaemon that was last seen, which
// says what is missing.
func (c *Client) Wait(ctx context.Context) (api.Info, error) {
	info, err := c.Info(ctx)
	for pause := firstPause; errors.Is(err, ErrNoDaemon); pause = min(2*pause, lastPause) {
		select {
		case <-ctx.Done():
			return api.Info{}, err
		case <-time.After(pause):
		}
		again, errAgain := c.Info(ctx)
		if errAgain != nil && ctx.Err() != nil {
			return api.Info{}, err // and not that this last try was cut short
		}
		info, err = again, errAgain
	}
	return info, err
}
