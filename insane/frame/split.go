package frame

import "slices"

// Scratch memory, in bytes.
const (
	minScratch  = MaxLen  // what is allocated at least: room for any one result
	keepScratch = 1 << 20 // what outlives Reset; only floods of tiny segments need more
)

// Splitter takes packets out of frames. It owns the scratch memory of those
// results that find no room in their own frame. The zero value is ready to
// use, by one goroutine.
type Splitter struct {
	head    [maxHeaders]byte // headers of the frame at hand, as they came
	scratch []byte           // results until Reset, back to back
}

// Split appends to out what remains of f when the packets whose relay is false
// are gone, in order, and returns the extended slice. l is what Inspect said
// about f, and relay has l.Packets() elements. If all packets stay, f itself
// is the result. Otherwise each maximal run of survivors becomes one frame: a
// smaller super-frame, or a plain packet if it is a single segment, with every
// header field as if the segments had been cut out of the whole.
//
// Transport checksums stay partial (see NeedsCsum). A wrong one stays wrong.
//
// Split overwrites f. The results borrow the memory of f or of the Splitter:
// each is good until f is reused or Reset is called, whichever comes first. So
// a batch of frames can be split one after the other and written together.
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
		from = to // which is dropped, or the end
	}
	return out
}

// cut returns a frame of the unchanged headers and the payload of packets
// [from, to), and how much of f is in use after that.
//
// A run that starts behind a dropped packet needs no copy of its payload if
// the headers fit between the end of the last result and the payload: they are
// written over what was dropped. They always do where a segment is longer than
// the headers are.
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

// alloc returns n bytes of scratch memory that stay as they are until Reset.
// What does not fit any more goes to a new, larger piece; results in the old
// one keep it alive.
func (s *Splitter) alloc(n int) Frame {
	if cap(s.scratch)-len(s.scratch) < n {
		s.scratch = make([]byte, 0, max(minScratch, 2*cap(s.scratch)))
	}
	used := len(s.scratch)
	s.scratch = s.scratch[:used+n]
	return Frame(s.scratch[used : used+n : used+n])
}

// Reset ends the life of all results that Split has returned so far and makes
// their memory free for new ones.
func (s *Splitter) Reset() {
	if cap(s.scratch) > keepScratch {
		s.scratch = nil
		return
	}
	s.scratch = s.scratch[:0]
}
