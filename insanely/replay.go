package insanely

import (
	"context"
	"errors"
	"net/http"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// Replay asks for the replay of a recording, and returns the state of the device after it. The body
// is what a Builder of package insane/replay makes of a recording; a slave that it names is a link of
// the network namespace, as in SetIn. If the error is an *api.Error, nothing has changed. It wants the
// same rights as a change, and has RulesTimeout.
func (c *Client) Replay(ctx context.Context, namespace string, body []byte) (api.Info, error) {
	var info api.Info
	r := request{method: http.MethodPut, path: api.PathReplay, body: body, content: "application/octet-stream", timeout: RulesTimeout, limit: api.MaxBody}
	if err := c.ask(context.WithValue(ctx, namespaceKey{}, namespace), r, &info); err != nil {
		return api.Info{}, err
	}
	if info.Name == "" {
		return api.Info{}, errors.New("read answer: no device in it")
	}
	return info, nil
}
