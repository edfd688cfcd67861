package line

import "github.com/seed-39a139a1/insane/policy"

// grain is how long a link takes for the packets of one part at most, unless it is a single
// packet.
const grain policy.Time = 50_000

// link carries one packet after the other, each from the moment when it has arrived and the
// one before has left. When a packet leaves is computed when it is at the head, so that what
// still waits goes on at the new rate after a change.
type link struct {
	Settings
	rate uint64 // 0: there is no link
	ring ring   // what waits; the packets at the head are on the link
	free instant
	sent uint64 // bits of the head that were carried before free, at another rate

	packets, bytes, bits uint64 // of all that is in the ring

	most uint64 // bits that the link carries in a grain
	head part   // what leaves the link next
	know bool   // head is right
}

// part is the packets of the frame at the head that leave the link together.
type part struct {
	to   uint32  // they are those before this one
	left instant // when the last of them has left
	sent uint64  // of link.sent, what is then still to be used
	mark bool    // they have waited for too long
}

// bitsOf is how many bits packets [from, to) of a frame are on the link.
func (k *link) bitsOf(h *held, from, to uint32) uint64 {
	n := uint64(to-from) * k.cost(uint64(h.each))
	if to == h.packets && from < to {
		n += k.cost(uint64(h.last)) - k.cost(uint64(h.each))
	}
	return n
}

// push puts a frame behind all that wait.
func (k *link) push(h *held) {
	*k.ring.push() = *h
	k.packets += uint64(h.to)
	k.bytes += h.span(0, h.to)
	k.bits += k.bitsOf(h, 0, h.to)
}

// begins is when the link begins with a frame that has arrived then, if nothing else is in
// front of it.
func (k *link) begins(arrival policy.Time) instant {
	if arrival > k.free.at {
		return instant{at: arrival}
	}
	return k.free
}

// next computes what leaves the link next. The ring is not empty.
func (k *link) next() *part {
	if k.know {
		return &k.head
	}
	h := k.ring.front()
	begin := k.begins(h.arrival)
	each := max(1, k.cost(uint64(h.each)))
	n := uint64(h.to - h.from)
	if n > 1 {
		n = min(n, max(1, k.most/each))
	}
	p := part{}
	if k.QueueMark != 0 {
		wait := begin.ceil() - min(h.arrival, begin.at)
		if p.mark = wait > k.QueueMark; !p.mark && n > 1 {
			n = min(n, within(k.QueueMark-wait, k.rate)/each+1) // later ones are marked
		}
	}
	p.to = h.from + uint32(n)
	cost := k.bitsOf(h, h.from, p.to)
	used := min(k.sent, cost)
	p.sent = k.sent - used
	p.left = begin.after(cost-used, k.rate)
	k.head, k.know = p, true
	return &k.head
}

// serve moves what has left the link by a time on to where it waits for its delay.
func (l *Line) serve(until policy.Time) {
	k := &l.link
	for k.ring.n > 0 {
		p := k.next()
		if p.left.ceil() > until {
			return
		}
		l.leaveLink(p, p.left.ceil())
		k.free, k.sent, k.know = p.left, p.sent, false
	}
}

// leaveLink moves the packets of a part from the head of the ring, which they have left at the
// time at.
func (l *Line) leaveLink(p *part, at policy.Time) {
	k := &l.link
	h := k.ring.front()
	out := *h
	out.to, out.mark, out.due = p.to, p.mark, sum(at, h.delay)
	l.wait.push(&out, l.settings.Reordering)
	k.packets -= uint64(out.to - out.from)
	k.bytes -= out.span(out.from, out.to)
	k.bits -= k.bitsOf(h, out.from, out.to)
	if h.from = p.to; h.from == h.to {
		k.ring.pop()
	}
}
