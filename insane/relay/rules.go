package relay

import (
	"sync"
	"sync/atomic"

	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/match"
)

// SetRules replaces the rules of the direction, which stand in front of its policy, by those
// of a list that look at the direction d. The first one that a packet fits judges the packet.
// New policies begin at epoch; seed is the seed of the direction. A rule with a name that was
// there before goes on with its numbers and its counters, and if it has the same policy, with
// its phase too. Packets of a rule that is gone wait no longer. The kernel leaves everything
// to the relay until OpenKernel is called.
func (r *Relay) SetRules(list policy.Rules, d policy.Direction, epoch policy.Time, seed uint64) {
	old := r.ruleset.Load()
	rs := Ruleset{Rule: old.Rule, Program: old.Program, JudgeNeighbours: old.JudgeNeighbours}
	var named []match.Match
	all := make([]match.Match, 0, len(list))
	before := make([]int32, 0, len(list)) // of each match, its place in the old ruleset
	rs.rules = make([]*Rule, 0, len(list))
	last := match.None
	for i := range list {
		p := list[i].Policy(d)
		if p == nil {
			continue
		}
		place, there := old.find(list[i].Name, last+1)
		rule, same := (*Rule)(nil), match.None
		if there {
			last, rule = place, old.rules[place]
			if rule.match.Equal(list[i].Match) {
				same = place
			}
		}
		if same == match.None || rule.Policy != p {
			next := &Rule{Name: list[i].Name, match: list[i].Match, Policy: p, Epoch: epoch, seed: policy.RuleSeed(seed, list[i].Name)}
			if there {
				next = next.after(rule)
			} else {
				next.begin(r.nextSeries())
			}
			rule = next
		}
		if rule.match.NamesNeighbours() {
			named, rs.neighbours = append(named, rule.match), append(rs.neighbours, len(all))
		}
		all, before, rs.rules = append(all, rule.match), append(before, int32(same)), append(rs.rules, rule)
	}
	rs.index(old, all, before, named)
	r.SetRuleset(&rs)
}

// begin makes the counters of a rule that was not there before.
func (r *Rule) begin(series uint32) {
	program := r.Policy.Compile(r.Epoch, r.seed)
	r.holds, r.stages = program.Holds(), program.Stages
	all := new(struct {
		tally   tally
		numbers numbers
		next    atomic.Uint64
	})
	all.numbers.at.Store(&all.next)
	all.numbers.series = series
	r.tally, r.next = &all.tally, &all.numbers
}

// compile makes the program of a rule. Of many rules few meet packets, so it is made for the
// first one.
func (r *Rule) compile() *policy.Program {
	program := r.Policy.CompileAt(policy.Start{Epoch: r.Epoch, Seed: r.seed, First: r.first})
	return &program
}

// after returns the rule that follows the one of the same name.
func (r *Rule) after(old *Rule) *Rule {
	r.tally, r.next, r.holds, r.stages, r.first = old.tally, old.next, old.holds, old.stages, old.first
	switch {
	case *old.Policy != *r.Policy:
		program := r.Policy.Compile(r.Epoch, r.seed)
		r.holds, r.stages, r.first = program.Holds(), program.Stages, r.next.peek()
	case old.match.Equal(r.match):
		return old
	default:
		r.Epoch = old.Epoch
	}
	return r
}

// index makes what finds the rules: by name, and of a packet.
func (rs *Ruleset) index(old *Ruleset, all []match.Match, before []int32, named []match.Match) {
	rs.names = &names{rules: rs.rules}
	switch {
	case len(all) == 0:
	case old.table == nil:
		rs.table = match.NewIndex(all)
	default:
		rs.table = old.table.Next(all, before)
	}
	if len(named) > 0 {
		rs.neighboursTable = match.NewTable(named)
	}
	rs.compute()
}

// names finds rules by name. It is made when somebody asks for the first time.
type names struct {
	once   sync.Once
	rules  []*Rule
	places map[string]int
}

// place returns the place of the rule with a name. n may be nil: there are no rules.
func (n *names) place(name string) (place int, there bool) {
	if n == nil {
		return 0, false
	}
	n.once.Do(func() {
		n.places = make(map[string]int, len(n.rules))
		for i, rule := range n.rules {
			n.places[rule.Name] = i
		}
	})
	place, there = n.places[name]
	return place, there
}

// find returns the place of the rule with a name. It is probably the place likely.
func (rs *Ruleset) find(name string, likely int) (place int, there bool) {
	if likely < len(rs.rules) && rs.rules[likely].Name == name {
		return likely, true
	}
	return rs.names.place(name)
}

// compute sets the fields that follow from the others.
func (rs *Ruleset) compute() {
	rs.holds = rs.Rule.holds
	for _, rule := range rs.rules {
		rs.holds = rs.holds || rule.holds
	}
}
