package insanely

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// Recording is a recording that goes on. Only one goroutine may read it.
type Recording struct {
	*ledger.Stream
	body   io.Closer
	cancel context.CancelCauseFunc
}

// Record begins a recording of what the filter wants. When it returns, every packet that comes is
// recorded. Read it all the time: what is not read within a tenth of a second may be missed, and
// a recording that nobody reads for ten seconds ends. It ends when ctx ends, and with Close. The
// error is an *api.Error if the daemon refuses: it wants the same rights as a change.
func (c *Client) Record(ctx context.Context, f ledger.Filter) (*Recording, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(RecordTimeout, func() { cancel(timeoutError{}) })
	defer late.Stop()
	r, err := c.record(ctx, f)
	switch {
	case err == nil:
		r.cancel = cancel
		return r, nil
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		err = context.Cause(ctx)
	}
	cancel(nil)
	return nil, err
}

// record asks for a recording and reads its header.
func (c *Client) record(ctx context.Context, f ledger.Filter) (*Recording, error) {
	query := make(url.Values)
	if f.Lost {
		query.Set(api.RecordLost, "1")
	}
	if f.Rule != "" {
		query.Set(api.RecordRule, f.Rule)
	}
	if f.Snaplen != 0 {
		query.Set(api.RecordSnaplen, strconv.FormatUint(uint64(f.Snaplen), 10))
	}
	dialing := context.WithValue(ctx, lastDialKey{}, time.Now().Add(RecordTimeout-RecordTimeout/dialMargin))
	req, err := http.NewRequestWithContext(dialing, http.MethodGet, "http://insane"+api.PathRecord+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, explain(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		answer, err := io.ReadAll(io.LimitReader(resp.Body, api.MaxBody))
		if err != nil {
			return nil, explain(ctx, err)
		}
		return nil, refusal(resp.StatusCode, answer)
	}
	stream, err := ledger.NewStream(resp.Body)
	if err != nil {
		resp.Body.Close()
		return nil, explain(ctx, err)
	}
	return &Recording{Stream: stream, body: resp.Body}, nil
}

// Close ends the recording.
func (r *Recording) Close() error {
	r.cancel(nil)
	return r.body.Close()
}
