package line

import (
	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

// Tag stays with a frame while it waits, and comes back in its parts. The line does not look
// at it.
type Tag struct {
	Priority, Mark uint32 // the label of the frame
	Number         uint64 // of its first packet
	Flags, Origin  uint32 // whatever the caller wants to know when the frame leaves
}

// Item is a frame that is to wait. All its packets have one verdict.
type Item struct {
	Frame  frame.Frame   // Push copies it
	Layout *frame.Layout // of the frame, for which Whole must be true; nil: the frame is one packet

	Arrival policy.Time // when it arrived
	Delay   policy.Time // how long it waits behind the link
	Behind  uint32      // how many later packets leave before each of its packets
	Tag     Tag

	Admitted bool // the queue takes it, however long it is already
}

// Part is what leaves at one moment: one packet or more of one item, as one frame.
type Part struct {
	Frame   frame.Frame // valid until Release; the caller may change it
	From    int         // the first of them, counted from that of the item
	Packets int         // how many packets these are
	Bytes   uint64      // of these packets, as Layout.Bytes counts them
	Due     policy.Time // when they were to leave
	Marked  bool        // Pop has set CE in them, as they have waited for longer than the queue's mark
	Last    bool        // no packet of the item waits any more
	Tag     Tag
}

// Refusal is why Push has not kept packets.
type Refusal uint8

// The values of Refusal.
const (
	Taken      Refusal = iota // all packets are kept
	QueueFull                 // the queue in front of the link is as long as it may be
	MemoryFull                // the budget of memory is used up
)

// Options are the parameters of New.
type Options struct {
	Memory *Memory // where frames are kept; must be set
}

// Line is where the packets of one direction wait. It has no clock: the caller says what time
// it is, and asks when the next packet leaves. The zero Settings hold until Set is called, with
// which nothing waits. A Line is for one goroutine, and starts none.
type Line struct {
	now      policy.Time // the latest time that the line was told
	settings Settings
	store    store
	next     held // what Push is about to take
	link     link
	wait     wait
	aside    aside
	gate     gate
	splitter frame.Splitter
	packets  uint64 // that are held
	bytes    uint64
}

// New makes an empty line.
func New(o Options) *Line {
	l := &Line{store: newStore(o.Memory)}
	for _, r := range []*ring{&l.link.ring, &l.wait.ring, &l.aside.ring} {
		r.memory = o.Memory
	}
	l.wait.heap.memory = o.Memory
	return l
}

// held is a frame that waits, or those of its packets that wait at one place. Packets are
// counted from the start of the whole frame.
type held struct {
	due     policy.Time // when it leaves the place where it waits
	order   uint64      // decides between two of the same moment; for what is aside, see aside
	arrival policy.Time
	delay   policy.Time

	at       place  // where the bytes of the whole frame are
	packets  uint32 // of the whole frame
	from, to uint32 // the packets that wait here
	end      uint32 // the packets from here on were not kept
	each     uint32 // Ethernet bytes of each packet but the last
	last     uint32 // Ethernet bytes of the last packet
	behind   uint32
	mark     bool
	tag      Tag
}

// span is how many bytes packets [from, to) are on the wire.
func (h *held) span(from, to uint32) uint64 {
	n := uint64(to-from) * uint64(h.each)
	if to == h.packets && from < to {
		n += uint64(h.last) - uint64(h.each)
	}
	return n
}

// Push takes an item behind all others. It keeps the first packets of the item, as many as
// there is room for, and returns their number and what there is no room for; with Taken these
// are all. Packets that are not kept are lost. Arrivals usually grow; an earlier one than the
// latest Pop is allowed, and what it finds is the line of then, without what has left since.
func (l *Line) Push(it *Item) (kept int, why Refusal) {
	h := &l.next
	h.arrival, h.delay, h.behind, h.tag = it.Arrival, it.Delay, it.Behind, it.Tag
	h.packets, h.last = 1, uint32(max(0, len(it.Frame)-frame.HeaderLen))
	h.each = h.last
	if it.Layout != nil && it.Layout.Packets() > 1 {
		n := it.Layout.Packets()
		h.packets, h.each, h.last = uint32(n), uint32(it.Layout.Bytes(0, 1)), uint32(it.Layout.Bytes(n-1, n))
	}
	h.to, h.end = h.packets, h.packets
	if l.link.rate != 0 {
		l.serve(it.Arrival)
		if room := l.link.room(h); room < h.packets && !it.Admitted {
			h.to, h.end, why = room, room, QueueFull
		}
		if h.to == 0 {
			return 0, why
		}
	}
	if !l.store.put(h, it.Frame) {
		return 0, MemoryFull
	}
	if l.link.rate != 0 {
		l.link.push(h)
	} else {
		h.due = sum(h.arrival, h.delay)
		l.wait.push(h, l.settings.Reordering)
	}
	l.packets += uint64(h.to)
	l.bytes += h.span(0, h.to)
	return int(h.to), why
}

// Held is how many packets wait, and their Ethernet bytes.
func (l *Line) Held() (packets, bytes uint64) { return l.packets, l.bytes }

// never is later than every time that comes. Sums of times end there.
const never policy.Time = 1 << 62

// sum adds two times that are not later than never.
func sum(a, b policy.Time) policy.Time { return min(a+b, never) }
