package host

import (
	"errors"
	"time"
)

const (
	// endPatience is how long AwaitControl waits for a daemon that ends: somebody who
	// restarts a daemon may start the new one a moment before the old one is gone.
	endPatience = 500 * time.Millisecond

	endPoll = 20 * time.Millisecond // between two attempts to get the path
)

// AwaitControl is ListenControl, but while another daemon serves the path it waits for
// that one to end, for at most endPatience. The error is ErrInUse if it does not.
func AwaitControl(path string) (l *ControlListener, err error) {
	for end := time.Now().Add(endPatience); ; time.Sleep(endPoll) {
		l, err = ListenControl(path)
		if !errors.Is(err, ErrInUse) || time.Now().After(end) {
			return l, err
		}
	}
}
