package insanely

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// mostReadings is how often Rules begins anew.
const mostReadings = 10

// Rules asks for all rules, in their order, with their counters. The last one is
// api.DefaultRule. Many rules take many requests, over one connection, each with its own
// RulesTimeout; if a change comes in between, Rules begins anew, and gives up after ten
// times. So the rules are those of one moment, but their counters are not.
func (c *Client) Rules(ctx context.Context) ([]api.Rule, error) {
	pages := c.transport.Clone()
	pages.DisableKeepAlives = false // these requests change nothing
	defer pages.CloseIdleConnections()
	for range mostReadings {
		rules, err := c.readRules(ctx, pages)
		if rules != nil || err != nil {
			return rules, err
		}
	}
	return nil, errors.New("read rules: they changed again and again meanwhile")
}

// readRules asks for all pages. It returns nil if the rules have changed in between.
func (c *Client) readRules(ctx context.Context, pages *http.Transport) (rules []api.Rule, err error) {
	var first api.RulesPage
	for {
		var page api.RulesPage
		path := api.PathRules + "?from=" + strconv.Itoa(len(rules))
		err := c.ask(ctx, request{method: http.MethodGet, path: path, timeout: RulesTimeout, limit: api.MaxRulesBody, over: pages}, &page)
		switch {
		case err != nil:
			return nil, err
		case rules != nil && page.Version != first.Version:
			return nil, nil
		case len(page.Rules) == 0 || page.From != len(rules) || page.Total > api.MaxRules+1:
			return nil, fmt.Errorf("read answer: no rules in it (%d of %d from %d)", len(page.Rules), page.Total, page.From)
		}
		if rules == nil {
			first = page
		}
		if rules = append(rules, page.Rules...); len(rules) >= page.Total {
			return rules, nil
		}
	}
}

// RulesFile asks for the rules as text, as a file that ChangeRules can load. It has no
// counters, and not the policies of the directions.
func (c *Client) RulesFile(ctx context.Context) (string, error) {
	var text string
	err := c.ask(ctx, request{method: http.MethodGet, path: api.PathRulesFile, timeout: RulesTimeout, limit: api.MaxRulesFile}, &text)
	return text, err
}

// ChangeRules asks for a change of the rules. If the error is an *api.Error, nothing has
// changed. After any other error of a daemon that was reached, the change may or may not have
// happened: call Rules to find out.
func (c *Client) ChangeRules(ctx context.Context, change api.RulesChange) (api.RulesChanged, error) {
	r := request{method: http.MethodPost, path: api.PathRules, timeout: RulesTimeout, limit: api.MaxBody}
	if load := change.Load; load != nil && change == (api.RulesChange{Load: load}) {
		// As text, it arrives as it is, whatever its bytes are.
		r.method, r.path, r.body, r.content = http.MethodPut, api.PathRulesFile, []byte(*load), "text/plain; charset=utf-8"
	} else {
		body, err := json.Marshal(change)
		if err != nil {
			return api.RulesChanged{}, fmt.Errorf("encode change: %w", err)
		}
		r.body = body
	}
	var changed struct {
		Total *int `json:"total"`
		api.RulesChanged
	}
	if err := c.ask(ctx, r, &changed); err != nil {
		return api.RulesChanged{}, err
	}
	if changed.Total == nil { // every daemon says it
		return api.RulesChanged{}, errors.New("read answer: no rules in it")
	}
	changed.RulesChanged.Total = *changed.Total
	return changed.RulesChanged, nil
}
