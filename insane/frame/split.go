package frame

import "slices"

// Scratch memory, in bytes.
const (
	minScratch  = 1 << 17 // the smallest allocation: it holds the results of most frames
	keepScratch = 1 << 20 // the most that Reset keeps; only floods of tiny segments need more
)

// Splitter removes packets from frames. It owns the scratch memory for results that do
// not fit into the memory of their frame. The zero value is ready to use, by one
// goroutine.
type Splitter struct {
	head    [maxHeaders]byte // headers of the current frame, without the jumbo option
	scratch []byte           // results until Reset, back to back
}

// Split removes from f the packets whose element of relay is false. It appends frames
// with the other packets to out, in order, and returns the extended slice. l is the
// layout of f, and relay has l.Packets() elements. If all packets stay and a port carries
// the frame as it is, f itself is the result. Otherwise each run of survivors becomes one
// frame, as Layout.Run says: a smaller super-frame, or a plain packet if it is a single
// segment, with every header field as if the segments had been cut out of the whole.
//
// Transport checksums stay partial (see NeedsCsum). A wrong one stays wrong.
//
// Split overwrites f. The results borrow the memory of f or of the Splitter:
// each is valid until f is reused or Reset is called. So a batch of frames can be
// split one after the other and written together.
func (s *Splitter) Split(f Frame, l Layout, relay []bool, out []Frame) []Frame {
	relay = relay[:l.packets]
	if l.Whole() && !slices.Contains(relay, false) {
		return append(out, f)
	}
	if !slices.Contains(relay, true) {
		return out
	}
	s.keepHead(f, &l)
	free := 0 // bytes of f from here on hold no result
	for from := 0; from < l.packets; {
		if !relay[from] {
			from++
			continue
		}
		to := l.Run(relay, from)
		var r Frame
		r, free = s.cut(f, &l, from, to, free)
		l.rewrite(r, from, to)
		out = append(out, r)
		from = to
	}
	return out
}

// keepHead copies the headers of f. The jumbo option stays behind: the IPv6 header gets the
// type of the header behind the option.
func (s *Splitter) keepHead(f Frame, l *Layout) {
	if l.jumbo == 0 {
		copy(s.head[:], f[:HeaderLen+l.start])
		return
	}
	option := HeaderLen + l.jumbo
	copy(s.head[:], f[:option])
	copy(s.head[option:], f[option+jumboLen:HeaderLen+l.start])
	const nextHeader = 6 // its offset in the IPv6 header
	s.head[option-ipv6Len+nextHeader] = f[option]
}

// cut returns a frame of the unchanged headers and the payload of packets
// [from, to), and how much of f is in use after that.
//
// A run behind a dropped packet needs no copy of its payload if the headers fit
// between the end of the last result and the payload: then they overwrite the dropped
// packet. They fit whenever a segment is longer than the headers.
func (s *Splitter) cut(f Frame, l *Layout, from, to, free int) (r Frame, inUse int) {
	head := HeaderLen + l.headers
	start, end := HeaderLen+l.start+l.offset(from)-head, HeaderLen+l.start+l.offset(to)
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
