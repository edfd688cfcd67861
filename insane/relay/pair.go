package relay

import (
	"runtime/debug"
	"sync/atomic"

	"github.com/seed-39a139a1/insane/insane/replay"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Pair is the relays of both directions of a device, and the rules and the seed that they have
// in common. Only one goroutine at a time may call SetPolicies, SetRules, JudgeNeighbours and
// Reseed. The other methods are safe for concurrent use and wait for nothing.
type Pair struct {
	tx, rx  *Relay
	seed    uint64
	edition atomic.Pointer[edition]
}

// edition is one version of the rules, and the rulesets that have them. It is immutable.
type edition struct {
	rules   policy.Rules
	version uint64
	tx, rx  *Ruleset
}

// NewPair makes a pair without rules. The caller must call SetPolicies before one of the
// relays runs.
func NewPair(tx, rx *Relay, seed uint64) *Pair {
	p := &Pair{tx: tx, rx: rx, seed: seed}
	const millisecond = 1_000_000
	p.edition.Store(&edition{version: uint64(tx.clock() / millisecond)}) // another one than that of a daemon before
	return p
}

// publish makes the present rulesets those of the edition that others see.
func (p *Pair) publish() {
	e := p.edition.Load()
	p.edition.Store(&edition{e.rules, e.version, p.tx.Ruleset(), p.rx.Ruleset()})
}

// rxIndex makes the draws of rx independent of the draws of tx. The draws of tx use the
// seed itself, so that a user can compute them with package policy alone.
const rxIndex = 0

func (p *Pair) rxSeed() uint64 { return policy.Subseed(p.seed, rxIndex) }

// Seed returns the seed. Only the goroutine that calls Reseed may call it.
func (p *Pair) Seed() uint64 { return p.seed }

// Reseed sets the seed of all draws, and restarts the numbers of packets at 0.
func (p *Pair) Reseed(seed uint64) {
	p.endReplay()
	p.seed = seed
	p.tx.Reseed(seed)
	p.rx.Reseed(p.rxSeed())
	p.publish()
}

// SetPolicies sets the policies of the directions, whose phases begin at epoch; nil: the
// policy stays as it is.
func (p *Pair) SetPolicies(tx, rx *policy.Policy, epoch policy.Time) {
	if tx != nil || rx != nil {
		p.endReplay()
	}
	if tx != nil {
		p.tx.SetPolicy(*tx, epoch, p.seed)
	}
	if rx != nil {
		p.rx.SetPolicy(*rx, epoch, p.rxSeed())
	}
	p.publish()
}

// JudgeNeighbours sets whether neighbours are judged; nil: that stays as it is.
func (p *Pair) JudgeNeighbours(on *bool) {
	if on != nil {
		p.endReplay()
		p.tx.JudgeNeighbours(*on)
		p.rx.JudgeNeighbours(*on)
		p.publish()
	}
}

// SetRules replaces the rules of both directions; see Relay.SetRules. With the present rules
// it does nothing.
func (p *Pair) SetRules(rules policy.Rules, epoch policy.Time) {
	present := p.Rules()
	if len(rules) == len(present) && (len(rules) == 0 || &rules[0] == &present[0]) {
		return
	}
	p.endReplay()
	p.tx.SetRules(rules, policy.TX, epoch, p.seed)
	p.rx.SetRules(rules, policy.RX, epoch, p.rxSeed())
	p.edition.Store(&edition{rules, p.edition.Load().version + 1, p.tx.Ruleset(), p.rx.Ruleset()})
	if more := len(rules) - len(present); more > manyRules || -more > manyRules {
		go debug.FreeOSMemory() // what it took to read them, or the rules before
	}
}

// Replay gives packets that were recorded the verdicts that they had then, until a policy, the
// rules, the seed or what is judged of neighbours is set. Call it like SetPolicies.
func (p *Pair) Replay(t *replay.Table) {
	p.tx.SetReplay(t, policy.TX)
	p.rx.SetReplay(t, policy.RX)
	p.publish()
}

// endReplay ends what Replay has begun.
func (p *Pair) endReplay() {
	if p.Replayed() != nil {
		p.Replay(nil)
	}
}

// Replayed returns the recording that is replayed; nil: there is none.
func (p *Pair) Replayed() *replay.Table {
	if tx := p.tx.Ruleset(); tx != nil {
		return tx.Replay()
	}
	return nil
}

// manyRules take so much memory that it is worth the time to look for what is free.
const manyRules = 4096

// Rules returns the present rules, which the caller must not change.
func (p *Pair) Rules() policy.Rules { return p.edition.Load().rules }

// Changed returns how many rules there are, as the answer to a change.
func (p *Pair) Changed() api.RulesChanged {
	e := p.edition.Load()
	return api.RulesChanged{Total: len(e.rules), Version: e.version}
}

// Page returns the rules from a number on, with their counters. The policies of the
// directions follow the last rule.
func (p *Pair) Page(from int) api.RulesPage {
	e := p.edition.Load()
	tx, rx := e.tx, e.rx
	total := len(e.rules) + 1
	shown := api.RulesPage{Rules: []api.Rule{}, From: from, Total: total, Version: e.version}
	for i := from; i < min(total, from+api.MaxRulesPage); i++ {
		if i == len(e.rules) {
			own := api.Rule{Name: api.DefaultRule, Match: "any", TX: p.tx.ruleDirection(tx.Rule), RX: p.rx.ruleDirection(rx.Rule)}
			shown.Rules = append(shown.Rules, own)
			break
		}
		rule := api.Rule{Name: e.rules[i].Name, Match: e.rules[i].Match.String()}
		if place, there := tx.names.place(rule.Name); there {
			rule.TX = p.tx.ruleDirection(tx.rules[place])
		}
		if place, there := rx.names.place(rule.Name); there {
			rule.RX = p.rx.ruleDirection(rx.rules[place])
		}
		shown.Rules = append(shown.Rules, rule)
	}
	return shown
}
