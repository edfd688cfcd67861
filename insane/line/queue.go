package line

import "github.com/seed-39a139a1/insane/policy"

// room is how many packets of a new frame the queue has room for: the first ones, up to the
// first that finds the queue full. The packet that is on the link is not in the queue. serve
// has been called for the arrival of the frame.
func (k *link) room(h *held) uint32 {
	n := uint64(h.packets)
	idle := k.ring.n == 0 && k.free.at < h.arrival || k.ring.n == 0 && k.free == instant{at: h.arrival}
	if k.QueuePackets != 0 || k.QueueBytes != 0 {
		packets, bytes := k.waiting(h.arrival)
		if k.QueuePackets != 0 {
			n = min(n, fits(k.QueuePackets, packets, 1, 1, n, idle))
		}
		if k.QueueBytes != 0 && n > 0 {
			n = min(n, fits(k.QueueBytes, bytes, uint64(h.each), h.span(uint32(n-1), uint32(n)), n, idle))
		}
	}
	if k.QueueTime != 0 && n > 0 {
		n = min(n, k.inTime(h))
	}
	return uint32(n)
}

// fits is how many of n packets, all of the size each but the last, fit into a queue with a
// limit in which used is taken. With idle the first needs no room.
func fits(limit, used, each, last, n uint64, idle bool) uint64 {
	room := limit - min(limit, used)
	more := uint64(0)
	if idle {
		more, n = 1, n-1
	}
	if n == 0 || room >= (n-1)*each+last {
		return n + more
	}
	return min(room/each, n-1) + more
}

// waiting is how much waits in the queue at a time, without the packet that is on the link.
func (k *link) waiting(at policy.Time) (packets, bytes uint64) {
	if k.ring.n == 0 {
		return 0, 0
	}
	h := k.ring.front()
	begin := k.begins(h.arrival).ceil()
	if at < begin {
		return k.packets, k.bytes // what has left already is still on the link then
	}
	done := within(at-begin, k.rate) + k.sent
	begun := h.from + uint32(min(done/max(1, k.cost(uint64(h.each))), uint64(h.to-h.from-1))) + 1
	return k.packets - uint64(begun-h.from), k.bytes - h.span(h.from, begun)
}

// inTime is how many packets of a new frame wait for no longer than the queue's time.
func (k *link) inTime(h *held) uint64 {
	begin := k.begins(h.arrival)
	if k.ring.n > 0 {
		begin = k.begins(k.ring.front().arrival).after(k.bits-min(k.bits, k.sent), k.rate)
	}
	wait := begin.ceil() - min(h.arrival, begin.at)
	if wait > k.QueueTime {
		return 0
	}
	return within(k.QueueTime-wait, k.rate)/max(1, k.cost(uint64(h.each))) + 1
}
