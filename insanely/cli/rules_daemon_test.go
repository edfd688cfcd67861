package cli

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// getRules answers with one page of the rules. Each has counters of its own, so that none is
// taken for another.
func (d *daemon) getRules(w http.ResponseWriter, r *http.Request) {
	from, _ := strconv.Atoi(r.URL.Query().Get("from"))
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]api.Rule, 0, len(d.rules)+1)
	for n, rule := range d.rules {
		all = append(all, api.Rule{Name: rule.Name, Match: rule.Match.String(),
			TX: ruleDirection(rule.TX, uint64(100*n+10)), RX: ruleDirection(rule.RX, uint64(100*n+60))})
	}
	all = append(all, api.Rule{Name: api.DefaultRule, Match: "any",
		TX: &api.RuleDirection{Policy: d.info.TX.Policy, Stats: d.info.TX.Stats},
		RX: &api.RuleDirection{Policy: d.info.RX.Policy, Stats: d.info.RX.Stats}})
	page := api.RulesPage{From: from, Total: len(all), Version: d.version, Rules: all[from:min(from+api.MaxRulesPage, len(all))]}
	d.answer(w, page)
}

// ruleDirection has n packets, of which one is lost and two wait.
func ruleDirection(p *policy.Policy, n uint64) *api.RuleDirection {
	if p == nil {
		return nil
	}
	lost := api.Count{Packets: 1}
	return &api.RuleDirection{Policy: p.String(), Stats: api.Stats{
		Offered: api.Count{Packets: n}, Relayed: api.Count{Packets: n - 3}, Held: api.Count{Packets: 2},
		Dropped: map[string]api.Count{api.DropPolicy: lost}, Stages: map[string]api.Count{"percent": lost}}}
}

func (d *daemon) rulesFile(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain")
	io.WriteString(w, d.rules.String())
}

func (d *daemon) postRules(w http.ResponseWriter, r *http.Request) {
	var change api.RulesChange
	if err := json.NewDecoder(r.Body).Decode(&change); err != nil {
		d.refuse(w, api.Errorf(api.ErrInvalid, "", "decode change: %v", err))
		return
	}
	d.changeRules(w, change)
}

func (d *daemon) putRules(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		d.refuse(w, api.Errorf(api.ErrInvalid, "", "read: %v", err))
		return
	}
	load := string(text)
	d.changeRules(w, api.RulesChange{Load: &load})
}

func (d *daemon) changeRules(w http.ResponseWriter, change api.RulesChange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if refusal := d.refusals["any rule"]; refusal != nil {
		d.refuse(w, refusal)
		return
	}
	d.asked = change
	rules, err := changedRules(d.rules, change)
	if err != nil {
		field := ""
		if at, ok := errors.AsType[*policy.FieldError](err); ok {
			field = at.Field
		}
		d.refuse(w, api.Errorf(api.ErrInvalid, field, "%v", err))
		return
	}
	d.rules, d.info.Rules = rules, len(rules)
	d.version++
	d.answer(w, api.RulesChanged{Total: len(rules), Version: d.version})
}

// changedRules returns the rules after a change.
func changedRules(rules policy.Rules, change api.RulesChange) (policy.Rules, error) {
	switch {
	case change.Add != nil:
		before := ""
		if change.Before != nil {
			before = *change.Before
		}
		r, err := policy.ParseRule(strings.Fields(*change.Add))
		if err != nil {
			return nil, err
		}
		return rules.Add(r, before)
	case change.Set != nil:
		r, err := policy.ParsePolicies(strings.Fields(*change.Set))
		if err != nil {
			return nil, err
		}
		return rules.Set(r.Name, r.TX, r.RX)
	case change.Delete != nil:
		return rules.Delete(*change.Delete)
	default:
		return policy.ParseRules(*change.Load, "rules")
	}
}
