package frame

import "slices"

// Scratch memory, in bytes.
const (
	minScratch  = MaxLen  // the smallest allocation: it holds any one result
	keepScratch = 1 << 20 // the most that Reset keeps; only floods of tiny segments need more
)

// Splitter removes packets from frames. It owns the scratch memory for results that do
// not fit into the memory of their frame. The zero value is ready to use, by one
// goroutine.
type Splitter struct {
	head    [maxHeaders]byte // unchanged headers of the current frame
	scratch []byte           // results until Reset, back to back
}

// Split removes from f the packets whose element of relay is false. It appends frames
// with the other packets to out, in order, and returns the extended slice. l is the
// layout of f, and relay has l.Packets() elements. If all packets stay, f itself
// is the result. Otherwise each maximal run of survivors becomes one frame: a
// smaller super-frame, or a plain packet if it is a single segment, with every
// header field as if the segments had been cut out of the whole.
//
// Transport checksums stay partial (see NeedsCsum). A wrong one stays wrong.
//
// Split overwrites f. The results borrow the memory of f or of the Splitter:
// each is valid until f is reused or Reset is called. So a batch of frames can be
// split one after the other and written together.
func (s *Splitter) Split(f Frame, l Layout, relay []bool, out []Frame) []Frame {
	relay = relay[:l.packets]
	if !slices.Contains(relay, false) {
		return append(out, f)
	}
	if !slices.Contains(relay, true) {
		return out
	}
	copy(s.head[:], f[:HeaderLen+l.headers])
	free := 0 // bytes of f from here on hold no result
	for from := 0; from < l.packets; from++ {
		if !relay[from] {
			continue
		}
		to := from + 1
		for to < l.packets && relay[to] {
			to++
		}
		var r Frame
		r, free = s.cut(f, l, from, to, free)
		l.rewrite(r, from, to)
		out = append(out, r)
		from = to // a dropped packet, or the end
	}
	return out
}

// cut returns a frame of the unchanged headers and the payload of packets
// [from, to), and how much of f is in use after that.
//
// A run behind a dropped packet needs no copy of its payload if the headers fit
// between the end of the last result and the payload: then they overwrite the dropped
// packet. They fit whenever a segment is longer than the headers.
func (s *Splitter) cut(f Frame, l Layout, from, to, free int) (r Frame, inUse int) {
	head := HeaderLen + l.headers
	start, end := l.offset(from), head+l.offset(to)
	if start < free {
		r = s.alloc(end - start)
		copy(r[head:], f[start+head:end])
		inUse = free
	} else {
		r = f[start:end:end]
		inUse = end
	}
	copy(r, s.head[:head])
	return r, inUse
}

// alloc returns n bytes of scratch memory that are not reused until Reset. If the
// scratch memory is full, alloc makes a larger one; earlier results keep the old one
// alive.
func (s *Splitter) alloc(n int) Frame {
	if cap(s.scratch)-len(s.scratch) < n {
		s.scratch = make([]byte, 0, max(minScratch, 2*cap(s.scratch)))
	}
	used := len(s.scratch)
	s.scratch = s.scratch[:used+n]
	return Frame(s.scratch[used : used+n : used+n])
}

// Reset frees the scratch memory of all results that Split has returned; they are not
// valid any more.
func (s *Splitter) Reset() {
	if cap(s.scratch) > keepScratch {
		s.scratch = nil
		return
	}
	s.scratch = s.scratch[:0]
}
