package kern

import "unsafe"

// Values of enum sample of sample.h.
const (
	sampleWanted = 1
	sampleTaken  = 3
)

// Sample returns the first 24 bytes of the IP header of a packet that the fast path of tx has
// relayed since the call before; false if there is none. It asks for the next sample. Only one
// goroutine may call it, and for tx only.
func (d *Direction) Sample() (header [24]byte, taken bool) {
	shared := d.shared()
	switch shared.sample.Load() {
	case sampleTaken:
		header, taken = *(*[24]byte)(unsafe.Pointer(&shared.header)), true
		shared.sample.Store(sampleWanted)
	case 0:
		shared.sample.Store(sampleWanted)
	}
	return header, taken
}
