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
	"strings"
	"syscall"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// Errors of a client that cannot reach a daemon. Then nothing has changed.
var (
	ErrNoDaemon   = errors.New("no daemon")     // the socket does not exist, or no process listens on it
	ErrPermission = errors.New("not permitted") // the socket's mode, or a directory's, forbids connecting
)

// timeoutError is context.DeadlineExceeded with a text for users.
type timeoutError struct{}

// Error returns a text for users.
func (timeoutError) Error() string { return "the daemon did not answer in time" }

// Unwrap makes errors.Is(err, context.DeadlineExceeded) true.
func (timeoutError) Unwrap() error { return context.DeadlineExceeded }

// decode decodes an answer into v, or returns the error in it.
func decode(resp *http.Response, answer []byte, v any) error {
	if resp.StatusCode != http.StatusOK {
		return refusal(resp.StatusCode, answer)
	}
	if text, ok := v.(*string); ok {
		if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") {
			return fmt.Errorf("read answer %s: want text, not %q", excerpt(answer), kind)
		}
		*text = string(answer)
		return nil
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return fmt.Errorf("read answer %s: %w", excerpt(answer), err)
	}
	return nil
}

// refusal returns the *api.Error in an answer. If the answer has none, it returns an error
// that quotes the answer.
func refusal(status int, answer []byte) error {
	var refused api.Error
	if json.Unmarshal(answer, &refused) != nil || refused.Code == "" || refused.Message == "" {
		return fmt.Errorf("read answer: status %d with %s", status, excerpt(answer))
	}
	return &refused
}

// excerpt quotes the beginning of an answer, so that a user sees which program answered.
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

// explain turns an error of the connection into one line. unix(7) lists the errors of
// connect.
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
		// The field sun_path of the address has 108 bytes, including the final zero.
		return fmt.Errorf("connect to %s: not a socket address (longer than 107 bytes?)", dial.Addr)
	case errors.Is(dial, syscall.EAGAIN):
		// A connect to a Unix socket waits only if the listener's backlog is full. A
		// non-blocking connect gets EAGAIN instead.
		return fmt.Errorf("connect to %s: the daemon accepts nobody: %w", dial.Addr, dial.Err)
	default:
		return fmt.Errorf("connect to %s: %w", dial.Addr, dial.Err)
	}
}
