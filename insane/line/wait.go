package line

import "github.com/seed-39a139a1/insane/policy"

// wait is where packets wait for their delay. What comes in the order in which it leaves is in
// the ring, the rest in the heap.
type wait struct {
	ring   ring
	heap   heap
	latest policy.Time // the latest moment at which something leaves
	orders uint64      // how many frames or parts of them have come
}

// push adds a frame, whose due is set. Unless reordering is allowed, it leaves after all that
// are there.
func (w *wait) push(h *held, reordering bool) {
	if h.due < w.latest && !reordering {
		h.due = w.latest
	}
	h.order = w.orders
	if w.ring.n > 0 && h.due < w.ring.back().due {
		w.heap.push(h)
	} else {
		*w.ring.push() = *h
	}
	w.orders++
	w.latest = max(w.latest, h.due)
}

// front returns the frame that leaves next; nil if nothing waits. It is valid until the next push or pop.
func (w *wait) front() *held {
	if w.heap.len() == 0 {
		if w.ring.n == 0 {
			return nil
		}
		return w.ring.front()
	}
	h := w.heap.front()
	if w.ring.n > 0 && before(w.ring.front(), h) {
		return w.ring.front()
	}
	return h
}

// pop removes front.
func (w *wait) pop() {
	if w.heap.len() == 0 || w.ring.n > 0 && before(w.ring.front(), w.heap.front()) {
		w.ring.pop()
		return
	}
	w.heap.pop()
}

// before reports whether a leaves before b.
func before(a, b *held) bool {
	return a.due < b.due || a.due == b.due && a.order < b.order
}

// limit lets nothing wait beyond a time, nor let more than behind packets pass.
func (w *wait) limit(due policy.Time, behind uint32) {
	w.latest = min(w.latest, due)
	clamp := func(h *held) { h.due, h.behind = min(h.due, due), min(h.behind, behind) }
	w.ring.each(clamp)
	w.heap.each(clamp)
}
