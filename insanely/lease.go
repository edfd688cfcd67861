package insanely

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// errNoLog refuses an answer that is none of a daemon.
var errNoLog = errors.New("read answer: no log in it")

// Confirm keeps what waits for a confirmation, and returns the state of the device after it. If
// nothing waits, the error is api.ErrNoLease.
func (c *Client) Confirm(ctx context.Context) (api.Info, error) {
	return c.infoFrom(ctx, http.MethodPost, api.PathConfirm, nil)
}

// Log asks for the last changes of the device, the oldest first, at most api.MaxLog. Many take
// several requests; changes that come in between are among them.
func (c *Client) Log(ctx context.Context) (list []api.LogEntry, err error) {
	list = []api.LogEntry{} // never null in JSON
	for from := uint64(1); ; {
		var page struct {
			Last *uint64 `json:"last"`
			api.LogPage
		}
		path := api.PathLog + "?from=" + strconv.FormatUint(from, 10)
		if err := c.ask(ctx, request{method: http.MethodGet, path: path, timeout: Timeout, limit: api.MaxRulesBody}, &page); err != nil {
			return nil, err
		}
		if page.Last == nil { // every daemon says it
			return nil, errNoLog
		}
		for _, entry := range page.Entries {
			if entry.Number < from {
				return nil, errNoLog
			}
			from = entry.Number + 1
			list = append(list, entry)
		}
		if len(page.Entries) == 0 || len(list) >= api.MaxLog {
			return list, nil
		}
	}
}
