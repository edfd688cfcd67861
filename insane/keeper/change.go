package keeper

import (
	"cmp"

	"github.com/seed-39a139a1/insane/insane/lease"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Changed notes a change that was carried out: what becomes of the leases, and an entry of the
// log. protect returns rules that pass the session of the person who has asked; it is asked
// about the rules to return to, as an edit of the rules without a lease would be.
func (k *Keeper) Changed(c api.Change, by *api.Peer, before, after api.Info, protect func(policy.Rules) policy.Rules) {
	term, _ := c.Term() // the change was carried out, so its term was right
	moves := lease.Moves(c, before, after)
	next := k.Present().Change(moves, term, k.clock())
	k.set(protected(next, protect))
	entry := api.LogEntry{Who: who(by), Peer: by, For: text(c.For), Confirm: text(c.Confirm)}
	for _, m := range moves {
		entry.Members = append(entry.Members, transition(m))
	}
	if before.Rules != after.Rules { // one that passes the session
		m := lease.Move{Member: api.MemberRules, From: lease.Value(before, api.MemberRules), To: lease.Value(after, api.MemberRules)}
		entry.Members = append(entry.Members, transition(m))
	}
	if len(entry.Members) > 0 {
		k.entries.add(entry)
	}
}

// Edit returns what RulesChanged is to set: the leases after a change of the rules, which is
// not carried out yet. before and after are the rules in force. The error is an *api.Error.
func (k *Keeper) Edit(c api.RulesChange, before, after policy.Rules) (next lease.Leases, err error) {
	term, err := c.Term()
	if err != nil {
		return nil, err
	}
	if term == (api.Term{}) {
		return k.Present().Edit(c, after)
	}
	return k.Present().Change([]lease.Move{{Member: api.MemberRules, From: lease.Count(len(before)), Rules: before}}, term, k.clock()), nil
}

// RulesChanged notes a change of the rules that was carried out; next is what Edit has returned.
func (k *Keeper) RulesChanged(c api.RulesChange, by *api.Peer, next lease.Leases, before, after int, protect func(policy.Rules) policy.Rules) {
	k.set(protected(next, protect))
	to := lease.Count(after) + ": "
	for _, asked := range []struct {
		verb string
		text *string
	}{{"add ", c.Add}, {"set ", c.Set}, {"del ", c.Delete}} {
		if asked.text != nil {
			to += asked.verb + *asked.text
		}
	}
	if c.Before != nil {
		to += " before " + *c.Before
	}
	if c.Load != nil {
		to += "load"
	}
	k.entries.add(api.LogEntry{
		Who: who(by), Peer: by, For: text(c.For), Confirm: text(c.Confirm),
		Members: []api.Transition{{Member: api.MemberRules, From: lease.Count(before), To: cut(to)}},
	})
}

// protected returns leases whose rules to return to pass a session.
func protected(ls lease.Leases, protect func(policy.Rules) policy.Rules) lease.Leases {
	l, there := ls.Find(api.MemberRules)
	if !there {
		return ls
	}
	return ls.Replace(protect(l.Rules))
}

// transition shows what has become of a member.
func transition(m lease.Move) api.Transition {
	return api.Transition{Member: m.Member, From: cut(cmp.Or(m.From, none)), To: cut(cmp.Or(m.To, none))}
}

// who returns one of the api.Who… names for the maker of a change; nil is the daemon itself.
func who(by *api.Peer) string {
	if by == nil {
		return api.WhoDaemon
	}
	return api.WhoPeer
}

// text returns the text of an optional member, which has at most some bytes where it was right.
func text(p *string) string {
	if p == nil {
		return ""
	}
	return cut(*p)
}
