package lease

import (
	"fmt"
	"strconv"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Move is a member that a change has set, with its values before and after as text. It may
// have the same value as before.
type Move struct {
	Member   string
	From, To string
	Rules    policy.Rules // the rules before, if the member is the rules
}

// Moves returns the members that a change names, with their values in the states before and
// after it.
func Moves(c api.Change, before, after api.Info) (moves []Move) {
	for _, member := range api.Members() {
		if names(c, member) {
			moves = append(moves, Move{Member: member, From: Value(before, member), To: Value(after, member)})
		}
	}
	return moves
}

// names reports whether a change sets a member.
func names(c api.Change, member string) bool {
	switch member {
	case api.MemberSlave:
		return c.Slave != nil
	case api.MemberReceive:
		return c.Receive != nil
	case api.MemberTX:
		return c.TX != nil
	case api.MemberRX:
		return c.RX != nil
	case api.MemberSeed:
		return c.Seed != nil || c.SeedText != nil
	case api.MemberJudgeNeighbours:
		return c.JudgeNeighbours != nil
	}
	return false
}

// Value returns the value of a member as text, as Leases.Return reads it. Of the rules it says
// how many there are.
func Value(i api.Info, member string) string {
	switch member {
	case api.MemberSlave:
		return i.Slave
	case api.MemberReceive:
		return i.Receive
	case api.MemberTX:
		return i.TX.Policy
	case api.MemberRX:
		return i.RX.Policy
	case api.MemberSeed:
		return strconv.FormatUint(i.Seed, 10)
	case api.MemberJudgeNeighbours:
		return strconv.FormatBool(i.JudgeNeighbours)
	}
	return Count(i.Rules)
}

// Count says how many rules there are.
func Count(n int) string {
	if n == 1 {
		return "1 rule"
	}
	return fmt.Sprintf("%d rules", n)
}

// Return returns the change with which members return to the values of their leases. Rules is
// nil unless the rules return. A slave of "" is none.
func (ls Leases) Return() (c api.Change, rules policy.Rules) {
	for _, l := range ls {
		switch l.Member {
		case api.MemberSlave:
			c.Slave = &l.To
		case api.MemberReceive:
			c.Receive = &l.To
		case api.MemberTX:
			c.TX = &l.To
		case api.MemberRX:
			c.RX = &l.To
		case api.MemberSeed:
			c.SeedText = &l.To
		case api.MemberJudgeNeighbours:
			on := l.To == strconv.FormatBool(true)
			c.JudgeNeighbours = &on
		case api.MemberRules:
			if rules = l.Rules; rules == nil {
				rules = policy.Rules{}
			}
		}
	}
	return c, rules
}

// Show returns the leases as a user sees them at a time.
func (ls Leases) Show(now policy.Time) []api.Lease {
	shown := []api.Lease{} // never null in JSON
	for _, l := range ls {
		s := api.Lease{Member: l.Member, To: l.To, Remaining: int64(Until(l.Due(), now)), Unconfirmed: l.Unconfirmed()}
		if l.Unconfirmed() && l.Ends != Never {
			s.IfConfirmed = int64(Until(l.Ends, now))
		}
		shown = append(shown, s)
	}
	return shown
}
