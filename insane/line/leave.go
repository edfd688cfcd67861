package line

import (
	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

// Next is a time before which nothing leaves; usually it is when the next part does. A Pop at that
// time may find nothing, where packets go from one fault to the next, or where the line only wants
// to give back memory; then Next returns a later time after the Release that follows. It returns
// false if there is nothing to do.
func (l *Line) Next() (policy.Time, bool) {
	if l.packets == 0 {
		return l.store.trims()
	}
	if l.gate.some {
		_, at := l.gate.pass()
		return at, true
	}
	if l.aside.ready() {
		return l.gate.after(l.aside.at), true
	}
	next := never
	if l.aside.ring.n > 0 {
		next = l.aside.ring.front().due
	}
	if h := l.wait.front(); h != nil {
		next = min(next, h.due)
	}
	if l.link.ring.n > 0 {
		at := l.link.next().left.ceil()
		if !l.settings.Reordering { // else a later packet may leave before this one
			at = max(sum(at, l.link.ring.front().delay), l.wait.latest)
		}
		next = min(next, at)
	}
	return l.gate.after(next), true
}

// Pop returns the next part that is due at now or before. It returns false if there is none: then
// nothing leaves before Next. The frame of the part is valid until Release.
func (l *Line) Pop(now policy.Time) (Part, bool) {
	l.now = max(l.now, now)
	g := &l.gate
	if !g.some {
		if g.SlotLength == nil && l.aside.ring.n == 0 {
			return l.popDue(now)
		}
		if l.packets == 0 || !l.pick(now, &g.held) {
			return Part{}, false
		}
		g.some = true
	}
	n, at := g.pass()
	if at > now {
		return Part{}, false
	}
	h := g.held
	if h.to = h.from + n; h.to == g.held.to {
		g.some = false
	} else {
		g.held.from = h.to
	}
	g.packets, g.bytes = g.packets+uint64(n), g.bytes+h.span(h.from, h.to)
	return l.leave(&h, at), true
}

// popDue is Pop if the wire is open and nothing is aside.
func (l *Line) popDue(now policy.Time) (Part, bool) {
	if l.link.ring.n > 0 {
		l.serve(now)
	}
	h := l.wait.front()
	if h == nil || h.due > now {
		return Part{}, false
	}
	if h.behind > 0 {
		l.aside.push(h)
		l.wait.pop()
		return l.Pop(now)
	}
	p := l.leave(h, h.due)
	l.aside.passed += uint64(p.Packets)
	l.aside.at = h.due
	l.wait.pop()
	return p, true
}

// pick takes what leaves the order of packets next, and is due there at now or before. It
// returns false if nothing is.
func (l *Line) pick(now policy.Time, out *held) bool {
	a := &l.aside
	for {
		if a.ready() {
			*out = *a.ring.front()
			out.due = min(a.at, out.due)
			a.ring.pop()
			return true
		}
		if l.link.ring.n > 0 {
			l.serve(now)
		}
		h := l.wait.front()
		if a.ring.n > 0 && (h == nil || a.ring.front().due <= h.due) {
			if a.ring.front().due > now {
				return false
			}
			*out = *a.ring.front()
			a.ring.pop()
			return true
		}
		if h == nil || h.due > now {
			return false
		}
		if h.behind == 0 {
			l.passBy(h, out)
			return true
		}
		a.push(h)
		l.wait.pop()
	}
}

// passBy takes h, the front of the wait, or as many of its packets as may leave before one that
// is aside.
func (l *Line) passBy(h, out *held) {
	a := &l.aside
	*out = *h
	if n := uint64(h.to - h.from); n > a.room() {
		out.to = h.from + uint32(a.room())
		h.from = out.to
	} else {
		l.wait.pop()
	}
	a.passed += uint64(out.to - out.from)
	a.at = out.due
}

// leave makes a part of packets that leave at a time.
func (l *Line) leave(h *held, at policy.Time) Part {
	p := Part{
		From: int(h.from), Packets: int(h.to - h.from), Bytes: h.span(h.from, h.to),
		Due: at, Last: h.to == h.end, Tag: h.tag,
	}
	l.packets -= uint64(p.Packets)
	l.bytes -= p.Bytes
	p.Frame = l.store.frame(h.at)
	if h.from > 0 || h.to < h.packets {
		p.Frame = l.cut(p.Frame, h)
	}
	if h.mark {
		p.Marked = frame.MarkCE(p.Frame)
	}
	if p.Last {
		l.store.lend(h.at)
	}
	return p
}

// cut returns a frame of the packets of h alone. f is the whole frame, which Push has had a layout
// of.
func (l *Line) cut(f frame.Frame, h *held) frame.Frame {
	layout, err := frame.Inspect(f)
	if err != nil || layout.Packets() != int(h.packets) {
		panic("line: the layout of a frame is not that of the frame")
	}
	if l.store.cut(h.at) {
		return l.splitter.CutOver(f, layout, int(h.from), int(h.to))
	}
	return l.splitter.Cut(f, layout, int(h.from), int(h.to))
}

// Release takes back the memory of all frames that Pop has returned. They are not valid any
// more.
func (l *Line) Release() {
	l.splitter.Reset()
	l.store.release()
	l.store.trim(l.now)
}
