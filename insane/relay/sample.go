package relay

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// Source returns the source address of an IP packet that was relayed since the call before, on
// either path; the zero Addr if there was none. Which packet that is, is not said, and VLANs
// are left out. Only one goroutine may call it; it waits for nothing.
func (r *Relay) Source() (source netip.Addr) {
	if found := r.source.Swap(nil); found != nil {
		source = *found
	}
	if r.kernel != nil {
		if header, taken := r.kernel.Sample(); taken {
			source = sourceOf(header[:])
		}
	}
	r.sampling.Store(true)
	return source
}

// sample takes a sample of a frame that is relayed, for Source.
func (r *Relay) sample(f frame.Frame) {
	const link = frame.HeaderLen + 14
	if len(f) < link {
		return
	}
	if kind := binary.BigEndian.Uint16(f[link-2:]); kind != 0x0800 && kind != 0x86dd {
		return
	}
	if source := sourceOf(f[link:]); source.IsValid() {
		r.sampling.Store(false)
		r.source.Store(&source)
	}
}

// sourceOf returns the source address in an IP header; the zero Addr if it has none.
func sourceOf(ip []byte) netip.Addr {
	switch {
	case len(ip) < 24:
	case ip[0]>>4 == 4:
		return netip.AddrFrom4([4]byte(ip[12:16]))
	case ip[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(ip[8:24]))
	}
	return netip.Addr{}
}
