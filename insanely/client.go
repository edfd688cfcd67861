// Package insanely controls a running insane daemon. It is the Go client of the protocol in
// package api; the insanely command uses it.
//
//	client := insanely.Dial(api.SocketPath("insane"))
//	defer client.Close()
//	policy := "percent 80"
//	info, err := client.Set(ctx, api.Change{TX: &policy})
//
// If the daemon refuses a request, the error is an *api.Error: errors.Is(err,
// api.ErrNoDevice) and so on tell the reason. If no daemon can be reached, the error is
// ErrNoDaemon or ErrPermission.
//
//	client.go  the client of one daemon
//	rules.go   the rules of a device
//	lease.go   confirmations, and the log of changes
//	record.go  a recording of each packet
//	replay.go  a recording whose packets get the verdicts that they had
//	dial.go    connecting to a daemon whose queue is full
//	wait.go    waiting until a daemon answers
//	list.go    the daemons of this host
//	rulesfile.go  files of rules, as both commands read them
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

// The time that a request may take, from connecting to the last byte of the answer. A context
// with an earlier deadline shortens it.
const (
	Timeout      = 2 * time.Second
	RulesTimeout = 10 * time.Second // for each request about rules, of which there may be ten thousands

	RecordTimeout = 10 * time.Second // until a recording begins, for which the packets change their path
)

// Client talks to one daemon. All methods may be called from any goroutine.
type Client struct {
	transport *http.Transport
}

// Dial makes a client of the daemon that listens on socket: a path, or "@name" for a socket
// of Linux' abstract namespace (unix(7)). It does not connect, so it cannot fail; the first
// request fails if there is no daemon.
func Dial(socket string) *Client {
	var dialer net.Dialer
	return NewClient(func(ctx context.Context) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", socket)
	})
}

// NewClient makes a client that connects with dial. Use it for a socket that cannot be
// reached by its name, such as a socket in another network namespace. Every request calls
// dial once, on a separate goroutine, and again while the error is EAGAIN. Errors of dial
// should be errors of net.Dialer or wrap them; otherwise the client cannot return ErrNoDaemon
// and ErrPermission.
func NewClient(dial func(ctx context.Context) (net.Conn, error)) *Client {
	return &Client{transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dialInTime(ctx, dial) },
		// A kept connection would outlive a daemon that is restarted, and the first change
		// after the restart would be lost.
		DisableKeepAlives:  true,
		DisableCompression: true,
	}}
}

// Close releases the resources of the client. Requests that are running continue.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// Info asks for the state of the device.
func (c *Client) Info(ctx context.Context) (api.Info, error) {
	return c.info(ctx, http.MethodGet, nil)
}

// Set asks for a change and returns the state of the device after it. If the error is an
// *api.Error, nothing has changed. After any other error of a daemon that was reached, the
// change may or may not have happened: call Info to find out.
func (c *Client) Set(ctx context.Context, change api.Change) (api.Info, error) {
	body, err := json.Marshal(change)
	if err != nil {
		return api.Info{}, fmt.Errorf("encode change: %w", err)
	}
	return c.info(ctx, http.MethodPut, body)
}

// SetIn is Set for links of a network namespace, in the form of Info.Namespace. If the device
// is in another one, nothing changes and the error is api.ErrNamespace. Daemons of earlier
// versions do not check it. With the namespace "" it is Set.
func (c *Client) SetIn(ctx context.Context, namespace string, change api.Change) (api.Info, error) {
	return c.Set(context.WithValue(ctx, namespaceKey{}, namespace), change)
}

// namespaceKey is the key of the namespace of a change in the context of its request.
type namespaceKey struct{}

// Stats asks for the counters alone.
func (c *Client) Stats(ctx context.Context) (api.DeviceStats, error) {
	var stats api.DeviceStats
	if err := c.do(ctx, http.MethodGet, api.PathStats, nil, &stats); err != nil {
		return api.DeviceStats{}, err
	}
	// The daemon always names every reason. If reasons are missing, another program has
	// answered, and zeros would look like a device without traffic.
	if stats.TX.Dropped == nil || stats.RX.Dropped == nil {
		return api.DeviceStats{}, errors.New("read answer: no counters in it")
	}
	return stats, nil
}

func (c *Client) info(ctx context.Context, method string, body []byte) (api.Info, error) {
	return c.infoFrom(ctx, method, api.PathInfo, body)
}

// infoFrom sends a request whose answer is the state of the device.
func (c *Client) infoFrom(ctx context.Context, method, path string, body []byte) (api.Info, error) {
	var info api.Info
	if err := c.do(ctx, method, path, body, &info); err != nil {
		return api.Info{}, err
	}
	if info.Name == "" {
		return api.Info{}, errors.New("read answer: no device in it")
	}
	return info, nil
}

// do sends one request and decodes a successful answer into v.
func (c *Client) do(ctx context.Context, method, path string, body []byte, v any) error {
	return c.ask(ctx, request{method: method, path: path, body: body, timeout: Timeout, limit: api.MaxBody}, v)
}

// request is one request, and how long it and its answer may be.
type request struct {
	method, path string
	body         []byte
	content      string          // type of the body; "": JSON
	timeout      time.Duration   // from connecting to the last byte of the answer
	limit        int             // bytes of the answer
	over         *http.Transport // nil: that of the client
}

// ask sends a request and decodes a successful answer into v: JSON, or text if v is a *string.
func (c *Client) ask(ctx context.Context, r request, v any) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	ctx = withLastDial(ctx)
	// HTTP requires a host; the dialer ignores it.
	req, err := http.NewRequestWithContext(ctx, r.method, "http://insane"+r.path, bytes.NewReader(r.body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	switch {
	case r.content != "":
		req.Header.Set("Content-Type", r.content)
	case r.body != nil:
		req.Header.Set("Content-Type", "application/json")
	}
	if namespace, _ := ctx.Value(namespaceKey{}).(string); namespace != "" {
		req.Header.Set(api.HeaderNamespace, namespace)
	}
	over := r.over
	if over == nil {
		over = c.transport
	}
	// Use RoundTrip, because http.Client would follow redirects.
	resp, err := over.RoundTrip(req)
	if err != nil {
		return explain(ctx, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, int64(r.limit)+1))
	switch {
	case err != nil:
		return explain(ctx, err)
	case len(answer) > r.limit:
		return fmt.Errorf("read answer: longer than %d bytes", r.limit)
	}
	return decode(resp, answer, v)
}
