// Package insanely controls a running insane daemon: it is the Go client of the
// protocol in package api, and what the insanely command is made of.
//
//	client := insanely.Dial(api.SocketPath("insane"))
//	defer client.Close()
//	policy := "percent 80"
//	info, err := client.Set(ctx, api.Change{TX: &policy})
//
// A refusal of the daemon is a *api.Error, so errors.Is(err, api.ErrNoDevice)
// tells what was wrong. When there is nobody to refuse, the error is ErrNoDaemon
// or ErrPermission.
//
//	client.go  the client of one daemon
//	wait.go    waiting until a daemon answers
//	list.go    the daemons of this host
//	error.go   errors of a call that no daemon answers
package insanely

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// Timeout bounds every request from connecting to the last byte of the answer.
// A context with an earlier deadline bounds it further.
const Timeout = 2 * time.Second

// Client talks to one daemon. All methods may be called from any goroutine.
type Client struct {
	transport *http.Transport
}

// Dial makes a client of the daemon that listens on socket: a path, or "@name"
// for a socket of Linux' abstract namespace (unix(7)). It does not connect yet,
// so it cannot fail; the first request tells whether there is a daemon.
func Dial(socket string) *Client {
	var dialer net.Dialer
	return NewClient(func(ctx context.Context) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", socket)
	})
}

// NewClient makes a client that connects with dial, for sockets that cannot be
// reached by name from here, such as one in another network namespace. Every
// request calls dial once, on a goroutine of its own. Errors of dial should be
// those of net.Dialer, or wrap them, to be told apart.
func NewClient(dial func(ctx context.Context) (net.Conn, error)) *Client {
	return &Client{transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		// A kept connection would outlive a daemon that is started again, and
		// the first change after that would be lost in it.
		DisableKeepAlives:  true,
		DisableCompression: true,
	}}
}

// Close releases what the client holds. Requests under way go on.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// Info asks what the device is and does.
func (c *Client) Info(ctx context.Context) (api.Info, error) {
	return c.info(ctx, http.MethodGet, nil)
}

// Set asks for a change and returns the device as it is afterwards. If it fails
// with a *api.Error nothing has changed. If it fails with any other error after
// the daemon was reached, ask Info what came of it.
func (c *Client) Set(ctx context.Context, change api.Change) (api.Info, error) {
	body, err := json.Marshal(change)
	if err != nil {
		return api.Info{}, fmt.Errorf("encode change: %w", err)
	}
	return c.info(ctx, http.MethodPut, body)
}

// Stats asks for the counters alone.
func (c *Client) Stats(ctx context.Context) (api.DeviceStats, error) {
	var stats api.DeviceStats
	if err := c.do(ctx, http.MethodGet, api.PathStats, nil, &stats); err != nil {
		return api.DeviceStats{}, err
	}
	// The daemon always names every reason; without them somebody else
	// answered, and zeros would look like a quiet device.
	if stats.TX.Dropped == nil || stats.RX.Dropped == nil {
		return api.DeviceStats{}, errors.New("read answer: no counters in it")
	}
	return stats, nil
}

func (c *Client) info(ctx context.Context, method string, body []byte) (api.Info, error) {
	var info api.Info
	if err := c.do(ctx, method, api.PathInfo, body, &info); err != nil {
		return api.Info{}, err
	}
	if info.Name == "" {
		return api.Info{}, errors.New("read answer: no device in it")
	}
	return info, nil
}

// do sends one request and decodes a successful answer into v.
func (c *Client) do(ctx context.Context, method, path string, body []byte, v any) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	// The host part is there because HTTP wants one; the dialer ignores it.
	req, err := http.NewRequestWithContext(ctx, method, "http://insane"+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	// RoundTrip and not http.Client, which would follow redirects.
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return explain(ctx, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, api.MaxBody+1))
	if err != nil {
		return explain(ctx, err)
	}
	return decode(resp.StatusCode, answer, v)
}
