package insanely

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// Errors of reaching a daemon at all. Nothing was changed when they are returned.
var (
	ErrNoDaemon   = errors.New("no daemon")     // the socket is missing, or nobody listens on it
	ErrPermission = errors.New("not permitted") // the socket's mode, or a directory's, forbids connecting
)

// timeoutError is context.DeadlineExceeded in words that fit the occasion.
type timeoutError struct{}

func (timeoutError) Error() string { return "the daemon did not answer in time" }
func (timeoutError) Unwrap() error { return context.DeadlineExceeded }

// decode turns an answer into v or into the error that it is. Both sides keep
// api.MaxBody, so a longer answer is not the daemon's.
func decode(status int, answer []byte, v any) error {
	if len(answer) > api.MaxBody {
		return fmt.Errorf("read answer: longer than %d bytes", api.MaxBody)
	}
	if status != http.StatusOK {
		return refusal(status, answer)
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return fmt.Errorf("read answer %s: %w", excerpt(answer), err)
	}
	return nil
}

// refusal is the *api.Error in the answer, or an error that shows what was
// there instead.
func refusal(status int, answer []byte) error {
	var refused api.Error
	if json.Unmarshal(answer, &refused) != nil || refused.Code == "" || refused.Message == "" {
		return fmt.Errorf("read answer: status %d with %s", status, excerpt(answer))
	}
	return &refused
}

// excerpt quotes the beginning of an answer, so that a person sees who spoke.
func excerpt(answer []byte) string {
	const shown = 40 // bytes
	if len(answer) == 0 {
		return "an empty body"
	}
	if len(answer) > shown {
		return fmt.Sprintf("%q…", answer[:shown])
	}
	return fmt.Sprintf("%q", answer)
}

// explain turns what went wrong with the connection into one line. The errors of
// connect are those that unix(7) lists.
func explain(ctx context.Context, err error) error {
	dial, ok := errors.AsType[*net.OpError](err)
	connecting := ok && dial.Op == "dial" && dial.Addr != nil
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return timeoutError{}
	case ctx.Err() != nil:
		return fmt.Errorf("ask daemon: %w", ctx.Err())
	case connecting:
		return explainDial(dial)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("read answer: the daemon broke off: %w", err)
	default:
		return fmt.Errorf("ask daemon: %w", err)
	}
}

func explainDial(dial *net.OpError) error {
	switch {
	case errors.Is(dial, fs.ErrNotExist):
		return fmt.Errorf("%w: %s does not exist", ErrNoDaemon, dial.Addr)
	case errors.Is(dial, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: nobody listens on %s", ErrNoDaemon, dial.Addr)
	case errors.Is(dial, fs.ErrPermission): // EACCES, and EPERM of a security module
		return fmt.Errorf("%w: may not connect to %s", ErrPermission, dial.Addr)
	case errors.Is(dial, syscall.EINVAL):
		// The address family's sun_path has 108 bytes with its final zero.
		return fmt.Errorf("connect to %s: not a socket address (longer than 107 bytes?)", dial.Addr)
	case errors.Is(dial, syscall.EAGAIN):
		// The one way in which a Unix connect waits is for a place in the
		// listener's backlog, and a non-blocking one is told this instead.
		return fmt.Errorf("connect to %s: the daemon accepts nobody: %w", dial.Addr, dial.Err)
	default:
		return fmt.Errorf("connect to %s: %w", dial.Addr, dial.Err)
	}
}
