package line

import "github.com/seed-39a139a1/insane/policy"

// patience is how long a packet lets others pass, if too few come.
const patience policy.Time = 100_000_000

// aside has the packets that let others pass. What comes here has waited for its delay. A packet
// leaves behind the last of those that it lets pass, or after patience. Those that are aside
// do not overtake each other, and do not count for each other. So each of them leaves when as
// many later packets have left as it was told, no more and no fewer.
type aside struct {
	ring   ring        // the order of each is how many packets must have passed
	passed uint64      // packets that have passed here and were not put aside
	at     policy.Time // when the last of these did
	most   uint64      // the order of the newest in the ring
}

// push puts a frame aside that was due.
func (a *aside) push(h *held) {
	in := a.ring.push()
	*in = *h
	a.most = max(a.most, a.passed+uint64(h.behind))
	in.order = a.most
	in.due = sum(h.due, patience)
}

// ready reports whether enough packets have passed the one that is aside for longest.
func (a *aside) ready() bool { return a.ring.n > 0 && a.ring.front().order <= a.passed }

// room is how many packets may pass before one must come back.
func (a *aside) room() uint64 {
	if a.ring.n == 0 {
		return 1 << 32
	}
	return a.ring.front().order - a.passed
}

// limit lets nothing wait beyond a time, nor let more than behind packets pass from now on.
func (a *aside) limit(due policy.Time, behind uint32) {
	a.most = min(a.most, a.passed+uint64(behind))
	a.ring.each(func(h *held) { h.due, h.order = min(h.due, due), min(h.order, a.most) })
}
