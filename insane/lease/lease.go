// Package lease computes what becomes of the leases of a device: of changes that end by
// themselves. It is pure: the caller carries out the changes, and says what time it is.
//
// A device has two states: the one in force, and the one to return to. A change with a lease is
// made to the state in force only; a change without a lease is made to both. So what is set
// without a lease stays. A lease is what makes a member of the two states differ, and until when:
//
//   - A member that is changed with a lease gets one; if it has one already, it keeps the value
//     to return to, which is that from before the first lease, and takes the new time, be it
//     shorter or longer. If the new value is the one to return to, there is nothing left to
//     return to, and the lease is over.
//   - A member that is changed without a lease loses its lease.
//   - When the time of a lease comes, the member in force returns.
//   - A lease may wait for a confirmation. If none comes in time, the member returns. If one
//     comes, the member returns at the end of its time, or if it has none, it stays.
//
// The rules are one member, but single rules can be edited. An edit without a lease is carried
// out in the rules to return to as well.
//
//	lease.go  the leases of a device, and what becomes of them
//	rules.go  edits of the rules to return to
//	value.go  members and their values as text
package lease

import (
	"math"
	"slices"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Never is a time that does not come.
const Never = policy.Time(math.MaxInt64)

// Lease says when a member returns to a value.
type Lease struct {
	Member string       // one of the api.Member… names
	To     string       // the value to return to, as text
	Rules  policy.Rules // the value to return to, if the member is the rules

	Ends    policy.Time // when it returns, if it waits for no confirmation; Never: it stays
	Confirm policy.Time // when it returns, unless it is confirmed before; Never: it waits for none
}

// Due returns when the member returns if nobody does anything.
func (l Lease) Due() policy.Time { return min(l.Ends, l.Confirm) }

// Unconfirmed reports whether the lease waits for a confirmation.
func (l Lease) Unconfirmed() bool { return l.Confirm != Never }

// Leases are the leases of a device: at most one of each member, in the order of api.Members.
// They are never changed: each method returns others. The zero value is that of a device whose
// two states are the same.
type Leases []Lease

// Find returns the lease of a member.
func (ls Leases) Find(member string) (l Lease, there bool) {
	i := slices.IndexFunc(ls, func(l Lease) bool { return l.Member == member })
	if i < 0 {
		return Lease{}, false
	}
	return ls[i], true
}

// Without returns the leases but that of a member.
func (ls Leases) Without(member string) Leases {
	return slices.DeleteFunc(slices.Clone(ls), func(l Lease) bool { return l.Member == member })
}

// with returns the leases with another one, in place of that of the same member.
func (ls Leases) with(l Lease) Leases {
	next := append(ls.Without(l.Member), l)
	order := api.Members()
	slices.SortFunc(next, func(a, b Lease) int { return slices.Index(order, a.Member) - slices.Index(order, b.Member) })
	return next
}

// Change returns the leases after a change that has set members at a time. The values of moves
// are those just before and just after it.
func (ls Leases) Change(moves []Move, t api.Term, now policy.Time) Leases {
	for _, m := range moves {
		l, there := ls.Find(m.Member)
		if !there {
			l = Lease{Member: m.Member, To: m.From, Rules: m.Rules}
		}
		// Rules are not compared: to return to equal rules changes nothing.
		if t == (api.Term{}) || m.To == l.To && m.Member != api.MemberRules {
			ls = ls.Without(m.Member)
			continue
		}
		l.Ends, l.Confirm = after(now, t.For), after(now, t.Confirm)
		ls = ls.with(l)
	}
	return ls
}

// after returns the time d later; Never if d is 0.
func after(now policy.Time, d time.Duration) policy.Time {
	if d == 0 || now > Never-policy.Time(d) {
		return Never
	}
	return now + policy.Time(d)
}

// Until returns how long it is until a time; 0 if that is over.
func Until(t, now policy.Time) time.Duration {
	if t <= now {
		return 0
	}
	return time.Duration(t - now)
}

// Next returns when the next member returns; Never: none does.
func (ls Leases) Next() policy.Time {
	next := Never
	for _, l := range ls {
		next = min(next, l.Due())
	}
	return next
}

// Expire returns the leases whose time has come, and the others.
func (ls Leases) Expire(now policy.Time) (due, rest Leases) {
	for _, l := range ls {
		if l.Due() <= now {
			due = append(due, l)
		} else {
			rest = append(rest, l)
		}
	}
	return due, rest
}

// Confirmed returns the leases after a confirmation, and those of before that have waited for
// it. The caller has taken out those whose time has come.
func (ls Leases) Confirmed() (after, waited Leases) {
	for _, l := range ls {
		if !l.Unconfirmed() {
			after = append(after, l)
			continue
		}
		waited = append(waited, l)
		if l.Confirm = Never; l.Ends != Never {
			after = append(after, l)
		}
	}
	return after, waited
}
