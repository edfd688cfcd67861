package frame

// Cut returns packets [from, to) of f as one frame: f itself if these are all packets, else
// a smaller super-frame, or a plain packet if it is a single one. It makes what Split makes
// of the same run. l is the layout of f, l.Whole() is true, and 0 ≤ from < to ≤ l.Packets().
//
// Cut does not change f, so it can be called again for other packets. A result that is not f
// borrows the memory of the Splitter, and is valid until Reset is called.
func (s *Splitter) Cut(f Frame, l Layout, from, to int) Frame {
	if from == 0 && to == l.packets {
		return f
	}
	head, payload := HeaderLen+l.headers, f[HeaderLen+l.start:]
	r := s.alloc(head + l.offset(to) - l.offset(from))
	copy(r[head:], payload[l.offset(from):l.offset(to)])
	s.finish(r, f, &l, from, to)
	return r
}

// CutOver is Cut for a caller that needs the packets before from no more: where it can, it
// overwrites the end of their payload with the headers of the result, and copies no payload.
// The headers of f stay as they are, so that packets behind to can be cut later. The result
// is valid as long as that of Cut, and as long as f is not changed.
func (s *Splitter) CutOver(f Frame, l Layout, from, to int) Frame {
	head := HeaderLen + l.headers
	if l.offset(from) < head {
		return s.Cut(f, l, from, to)
	}
	start, end := HeaderLen+l.start+l.offset(from)-head, HeaderLen+l.start+l.offset(to)
	r := f[start:end:end]
	s.finish(r, f, &l, from, to)
	return r
}

// finish writes the headers of r, which has the payload of packets [from, to) of f.
func (s *Splitter) finish(r, f Frame, l *Layout, from, to int) {
	s.keepHead(f, l)
	copy(r, s.head[:HeaderLen+l.headers])
	l.rewrite(r, from, to)
}
