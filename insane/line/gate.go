package line

import "github.com/seed-39a139a1/insane/policy"

// era is how many slots of the mean length an era has. An era begins with an opening, at a
// time that follows from its number, so that it takes no longer to find an opening after a year
// without a packet. The last slot of an era may be cut short.
const era = 1024

// gate opens the wire now and then. What is due leaves at the next opening, as much of it as
// one opening lets through.
type gate struct {
	Settings
	held held // what leaves next
	some bool // held is set

	era, slot uint64      // the opening is that of this slot of this era
	opens     policy.Time // when it is
	packets   uint64      // that leave at it
	bytes     uint64
}

// set begins with the settings anew.
func (g *gate) set(s Settings) {
	g.Settings = s
	g.era, g.slot, g.opens, g.packets, g.bytes = 0, 0, s.SlotEpoch, 0, 0
}

// seek goes on to the first opening that is not before a time, unless it is there or further.
func (g *gate) seek(t policy.Time) {
	if g.opens >= t || g.SlotLength == nil {
		return
	}
	length := era * g.SlotMean
	if e := uint64(t-g.SlotEpoch) / uint64(length); e != g.era {
		g.era, g.slot, g.opens = e, 0, g.SlotEpoch+policy.Time(e)*length
	}
	for end := g.SlotEpoch + policy.Time(g.era+1)*length; g.opens < t; g.slot++ {
		if g.opens += max(1, g.SlotLength(g.era<<20|g.slot)); g.opens >= end {
			g.era, g.slot, g.opens = g.era+1, 0, end
			break
		}
	}
	g.packets, g.bytes = 0, 0
}

// pass is how many of the packets that wait may leave at the first opening that has room for
// one, and when that is.
func (g *gate) pass() (packets uint32, at policy.Time) {
	h := &g.held
	n := h.to - h.from
	if g.SlotLength == nil {
		return n, h.due
	}
	g.seek(h.due)
	if n = g.room(h); n == 0 {
		g.seek(g.opens + 1)
		n = g.room(h)
	}
	return n, g.opens
}

// room is how many packets of a frame the opening has room for.
func (g *gate) room(h *held) uint32 {
	n := uint64(h.to - h.from)
	if g.SlotPackets != 0 {
		n = min(n, g.SlotPackets-min(g.SlotPackets, g.packets))
	}
	if g.SlotBytes == 0 || n == 0 {
		return uint32(n)
	}
	room := g.SlotBytes - min(g.SlotBytes, g.bytes)
	if h.span(h.from, h.from+uint32(n)) > room {
		n = min(n, room/uint64(max(1, h.each)))
	}
	if n == 0 && g.packets == 0 {
		n = 1
	}
	return uint32(n)
}

// after is the first opening that is not before a time.
func (g *gate) after(t policy.Time) policy.Time {
	if g.SlotLength == nil || t >= never {
		return t
	}
	at := *g
	at.seek(t)
	return max(t, at.opens)
}
