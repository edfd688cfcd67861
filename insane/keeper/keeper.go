// Package keeper keeps the leases of one device: it wakes the device when a lease ends, has the
// members returned, and writes the log of all changes. What becomes of leases is computed in
// package lease. The device is known through the interface [Device] only.
//
//	keeper.go  Keeper: the timer, the end of a lease, confirmations
//	change.go  what a change does to the leases
//	log.go     the log of changes
package keeper

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/seed-39a139a1/insane/insane/lease"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Device is a device while its lock is held.
type Device interface {
	// State returns the present state.
	State() api.Info

	// Return carries out a change as a whole or not at all; rules are nil unless they change.
	// The slave "" is none. The error is an *api.Error that names the member at fault, unless
	// the kernel refuses.
	// It calls done when that is carried out, before others see it.
	Return(c api.Change, rules policy.Rules, done func()) error
}

// Keeper keeps the leases of a device. The caller of Expire, Changed, RulesChanged and Confirm
// holds the lock of the device; the other methods may be called at any time, by any goroutine,
// and wait for nothing. The times of leases are those of the clock that New gets.
type Keeper struct {
	clock   func() policy.Time
	log     *slog.Logger
	leases  atomic.Pointer[lease.Leases]
	changed chan struct{} // has a value if the timer must be set anew
	entries entries
}

// New makes a keeper without leases.
func New(clock func() policy.Time, log *slog.Logger) *Keeper {
	k := &Keeper{clock: clock, log: log, changed: make(chan struct{}, 1)}
	k.leases.Store(new(lease.Leases))
	return k
}

// Present returns the leases.
func (k *Keeper) Present() lease.Leases { return *k.leases.Load() }

// set replaces the leases and has the timer set.
func (k *Keeper) set(next lease.Leases) {
	k.leases.Store(&next)
	select {
	case k.changed <- struct{}{}:
	default: // it will be set
	}
}

// Run calls expire when the time of a lease comes, until ctx ends or expire returns false. The
// time that the process is stopped counts; the time that the machine sleeps does not.
func (k *Keeper) Run(ctx context.Context, expire func() bool) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Stop()
		if next := k.Present().Next(); next != lease.Never {
			timer.Reset(lease.Until(next, k.clock()))
		}
		select {
		case <-ctx.Done():
			return
		case <-k.changed:
		case <-timer.C:
			if !expire() {
				return
			}
		}
	}
}

// Expire has the members returned whose time has come, all in one change. A member that cannot
// return stays as it is, without a lease, and the others return nevertheless.
func (k *Keeper) Expire(d Device) {
	due, rest := k.Present().Expire(k.clock())
	if len(due) == 0 {
		return
	}
	before := d.State()
	for len(due) > 0 {
		c, rules := due.Return()
		err := d.Return(c, rules, func() { k.set(rest) })
		if err == nil {
			break
		}
		member := culprit(due, err)
		l, _ := due.Find(member)
		k.log.Warn("a lease has ended, and its member cannot return", "member", member, "to", l.To, "err", err)
		due = due.Without(member)
	}
	k.set(rest)
	if len(due) > 0 {
		moves := returned(due, before, d.State())
		k.log.Info("leases have ended", arguments(moves)...)
		k.entries.add(api.LogEntry{Who: api.WhoLease, Members: moves})
	}
}

// culprit returns the member because of which leases cannot return: the one that an error
// names, or else one that needs the kernel.
func culprit(due lease.Leases, err error) string {
	field := ""
	if refused, ok := errors.AsType[*api.Error](err); ok {
		field = refused.Field
	}
	for _, member := range []string{field, api.MemberReceive, api.MemberSlave} {
		if _, there := due.Find(member); there {
			return member
		}
	}
	return due[0].Member
}

// Confirm ends the wait for a confirmation. The error is api.ErrNoLease if nothing waits.
// Expire comes first, so that a confirmation that is too late has no effect.
func (k *Keeper) Confirm(d Device, by *api.Peer) error {
	next, waited := k.Present().Confirmed()
	if len(waited) == 0 {
		return api.Errorf(api.ErrNoLease, "", "nothing waits for a confirmation, or it came too late")
	}
	k.set(next)
	now := d.State()
	var moves []api.Transition
	for _, l := range waited {
		to := "stays"
		if l, there := next.Find(l.Member); there {
			to = "stays for " + lease.Until(l.Ends, k.clock()).Round(time.Millisecond).String()
		}
		moves = append(moves, api.Transition{Member: l.Member, From: cut(cmp.Or(lease.Value(now, l.Member), none)), To: to})
	}
	k.log.Info("leases are confirmed", arguments(moves)...)
	k.entries.add(api.LogEntry{Who: who(by), Peer: by, Confirmed: true, Members: moves})
	return nil
}

// returned shows what has become of the members of leases.
func returned(due lease.Leases, before, after api.Info) (moves []api.Transition) {
	for _, l := range due {
		moves = append(moves, api.Transition{
			Member: l.Member, From: cut(lease.Value(before, l.Member)), To: cut(cmp.Or(lease.Value(after, l.Member), none)),
		})
	}
	return moves
}

// none is how the log shows that there is no slave.
const none = "none"

// arguments shows what has become of members, as the arguments of a log line.
func arguments(moves []api.Transition) (args []any) {
	for _, m := range moves {
		args = append(args, m.Member, m.From+" -> "+m.To)
	}
	return args
}
