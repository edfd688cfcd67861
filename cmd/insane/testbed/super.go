package testbed

import (
	"testing"
)

// The sizes of the super-frames.
const (
	Segment  = 1400 // bytes of UDP payload in each packet but the last
	PerSuper = 40   // packets
)

// Supers is a number of packets that are sent as super-frames.
type Supers int

// end reports whether packet i is the last one of its super-frame. A super-frame does not
// cross the end of a window; the rest of the window is a shorter super-frame.
func (s Supers) end(i int) bool {
	inWindow := i % Window
	return inWindow%PerSuper == PerSuper-1 || inWindow == Window-1 || i == int(s)-1
}

// Next returns the first packet of the super-frame after the one that begins with packet i.
func (s Supers) Next(i int) int {
	for ; i < int(s); i++ {
		if s.end(i) {
			return i + 1
		}
	}
	return int(s)
}

// Size returns the payload of packet i in bytes. The last packet of a super-frame is
// shorter, each time by another amount.
func (s Supers) Size(i int) int {
	if s.end(i) {
		return Sequence + i%(Segment-Sequence)
	}
	return Segment
}

// Send sends packets [from, to), one super-frame with each system call (udp(7),
// UDP_SEGMENT).
func (s Supers) Send(t testing.TB, f *Flow, from, to int) (frames int) {
	t.Helper()
	buffer := make([]byte, 0, PerSuper*Segment)
	for i := from; i < to; i++ {
		end := len(buffer) + s.Size(i)
		Fill(buffer[len(buffer):end], i)
		buffer = buffer[:end]
		if !s.end(i) {
			continue
		}
		if _, err := f.Out.Write(buffer); err != nil {
			t.Fatalf("send super-frame that ends with packet %d: %v", i, err)
		}
		buffer = buffer[:0]
		frames++
	}
	return frames
}
