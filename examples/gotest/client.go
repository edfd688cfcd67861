package gotest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"time"
)

// Client talks to a Server.
type Client struct {
	Address string        // of the server
	Try     time.Duration // how long to wait for an answer before asking again
	NoKeys  bool          // requests have no key by which the server knows them again
}

// Add adds an amount to the account, and asks again until there is an answer or ctx ends.
func (c Client) Add(ctx context.Context, amount int) (now Account, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", c.Address)
	if err != nil {
		return now, err
	}
	defer conn.Close()
	var key uint64
	for !c.NoKeys && key == 0 {
		key = rand.Uint64()
	}
	for tries := 1; ; tries++ {
		now, err = c.try(ctx, conn, fmt.Appendf(nil, "%d %d", key, amount))
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return now, err
		}
		if ctx.Err() != nil {
			return now, fmt.Errorf("no answer to %d tries: %w", tries, ctx.Err())
		}
	}
}

// try asks once. Without an answer in time the error is os.ErrDeadlineExceeded.
func (c Client) try(ctx context.Context, conn net.Conn, request []byte) (now Account, err error) {
	try, cancel := context.WithTimeout(ctx, c.Try)
	defer cancel()
	defer context.AfterFunc(try, func() { conn.SetReadDeadline(time.Unix(0, 1)) })()
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return now, err
	}
	if _, err := conn.Write(request); err != nil {
		return now, err
	}
	answer := make([]byte, 100)
	n, err := conn.Read(answer)
	if err != nil {
		return now, err
	}
	_, err = fmt.Sscanf(string(answer[:n]), "%d %d", &now.Total, &now.Heard)
	return now, err
}

// Account asks for the account and changes nothing.
func (c Client) Account(ctx context.Context) (Account, error) { return c.Add(ctx, 0) }

// Fetch gets the file.
func (c Client) Fetch(ctx context.Context) ([]byte, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.Address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(0, 1)) })()
	return io.ReadAll(conn)
}
