package line

import "github.com/seed-39a139a1/insane/policy"

// Set makes the settings those of a new policy, which holds from now on. What has left the link
// by now has left it at the old rate; the rest, and what of a packet is not carried yet, goes on
// at the new one. None of the packets that are held waits longer than it would if it arrived now:
// not behind the link for longer than Longest, not aside for more than Behind packets, and not
// for slots that are no more. A longer delay does not touch them, and none overtakes another
// because of the change. With the zero Settings all of them are due now, in order.
func (l *Line) Set(now policy.Time, s Settings) {
	l.now = max(l.now, now)
	if l.link.rate != 0 {
		l.serve(now)
		l.link.stop(now)
	}
	due := sum(now, s.Longest)
	l.settings = s
	l.wait.limit(due, s.Behind)
	l.aside.limit(sum(now, min(patience, policy.Time(s.Behind)*patience)), s.Behind)
	l.gate.set(s)
	if l.gate.some {
		l.gate.held.due = min(l.gate.held.due, now)
	}
	l.link.set(s)
	if s.Rate != 0 {
		return
	}
	for l.link.ring.n > 0 { // the link is gone
		h := l.link.ring.front()
		l.leaveLink(&part{to: h.to}, max(now, h.arrival))
	}
}

// SetProgram is Set for the settings of a program.
func (l *Line) SetProgram(now policy.Time, p *policy.Program) { l.Set(now, SettingsOf(p, now)) }

// stop takes account of what the link has carried of the packet at its head.
func (k *link) stop(now policy.Time) {
	k.know = false
	if k.ring.n == 0 {
		return
	}
	if begin := k.begins(k.ring.front().arrival); begin.ceil() < now {
		k.sent += within(now-begin.ceil(), k.rate)
		k.free = instant{at: now}
	}
}

// set goes on with new settings.
func (k *link) set(s Settings) {
	k.Settings, k.rate, k.know = s, s.Rate, false
	k.free = instant{at: k.free.ceil()}
	k.most = within(grain, s.Rate)
	k.bits = 0
	k.ring.each(func(h *held) {
		h.delay, h.behind = min(h.delay, s.Longest), min(h.behind, s.Behind)
		k.bits += k.bitsOf(h, h.from, h.to)
	})
	if s.Rate == 0 {
		k.free, k.sent = instant{}, 0
	}
}
