package frame

import "encoding/binary"

// Wire shows the packets of frames as they are on the wire. The zero Wire is ready to use, by
// one goroutine.
type Wire struct {
	frame    Frame
	layout   Layout
	splitter Splitter
	buffer   []byte
}

// Open looks at a frame, which may be marked for a port (see Layout.Mark), and returns how
// many packets it is. Of a frame that Inspect refuses, it shows the bytes as one packet, and
// returns the error beside. The frame must not change until the last call of Packet.
func (w *Wire) Open(f Frame) (packets int, err error) {
	w.frame = f
	if len(f) >= HeaderLen+etherLen && f[1]&markTunnel != 0 {
		w.layout, err = inspectMarked(f)
	} else {
		w.layout, err = Inspect(f)
	}
	if err != nil {
		w.layout = Layout{packets: 1, headers: max(0, len(f)-HeaderLen)}
	}
	return w.layout.packets, err
}

// inspectMarked is Inspect for a marked frame.
func inspectMarked(f Frame) (l Layout, err error) {
	h, e := f.Header(), f[HeaderLen:]
	h.GSOType &^= markTunnel
	h.Flags &^= markChecksum
	link, etherType := linkHeader(e)
	l.link = link
	if err := l.inspectSuper(h, e, etherType); err != nil {
		return Layout{}, err
	}
	l.marked = true
	return l, nil
}

// Packet returns the length of packet i on the wire, from its Ethernet header on, and its first
// bytes, at most so many. A partial checksum is finished if these are the whole packet, and the
// checksum lies in it: nobody can check the one of a part. The bytes are valid until the next
// call, and as long as the frame is not changed.
func (w *Wire) Packet(i, most int) (length int, bytes []byte) {
	f := w.frame
	length = int(w.layout.Bytes(i, i+1))
	if len(f) < HeaderLen {
		return length, nil
	}
	if w.layout.packets > 1 {
		w.splitter.Reset()
		f = w.splitter.Cut(f, w.layout, i, i+1)
		if length <= most {
			finishChecksum(f)
		}
		return length, f[HeaderLen : HeaderLen+min(most, length)]
	}
	e := f[HeaderLen:]
	bytes = e[:min(most, length)]
	h := f.Header()
	at := int(h.CsumStart) + int(h.CsumOffset)
	if h.Flags&NeedsCsum == 0 || length > most || at+2 > len(e) {
		return length, bytes
	}
	w.buffer = append(w.buffer[:0], bytes...)
	binary.BigEndian.PutUint16(w.buffer[at:], finished(e[h.CsumStart:]))
	return length, w.buffer
}

// finished returns the checksum of what begins where summing starts, and has the partial one in
// the field.
func finished(p []byte) uint16 {
	if check := ^longSum(p); check != 0 {
		return check
	}
	return 0xffff // the same number, and not the 0 by which UDP says that there is none
}
