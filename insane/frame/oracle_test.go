package frame_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// The oracle: a second way from a frame to the packets on the wire, slow and
// plain. It shares nothing with the package under test but the type Frame. It
// cuts the whole, never a run, and finishes every checksum from the first byte.

// packetsOf returns the wire packets of a frame, without virtio header and with
// full checksums. It fails the test if the frame holds a checksum that is wrong.
func packetsOf(t testing.TB, f frame.Frame) [][]byte {
	t.Helper()
	needsCsum, gsoType := f[0]&1 != 0, f[1]
	allCWR := gsoType&0x80 == 0
	size := int(binary.NativeEndian.Uint16(f[4:]))
	e := f[10:].Clone()
	if !needsCsum {
		return [][]byte{e}
	}
	d := dissect(f)
	if d.family == 4 && wordSum(e[d.l3:d.l4]) != 0xffff {
		t.Fatalf("IPv4 header checksum is wrong: % x", e[d.l3:d.l4])
	}
	// 0 and 0xffff are the same number in one's complement.
	have := binary.BigEndian.Uint16(e[d.check:])
	if want := wordSum(d.pseudo(e)); have%0xffff != want%0xffff {
		t.Fatalf("partial checksum is %#04x, want %#04x", have, want)
	}
	if gsoType == 0 {
		d.finish(e)
		return [][]byte{e}
	}
	var packets [][]byte
	for i, rest := 0, e[d.payload:]; len(rest) > 0 || i == 0; i++ {
		n := min(size, len(rest))
		p := append(append([]byte(nil), e[:d.payload]...), rest[:n]...)
		rest = rest[n:]
		d.patch(p, i, i*size, len(rest) == 0, allCWR)
		d.finish(p)
		packets = append(packets, p)
	}
	return packets
}

// dissection is where things are in the Ethernet bytes of a frame.
type dissection struct {
	family, protocol       int
	l3, l4, check, payload int
}

func dissect(f frame.Frame) dissection {
	e := f[10:]
	d := dissection{l3: 14, l4: int(binary.NativeEndian.Uint16(f[6:]))}
	for e[d.l3-2] == 0x81 || e[d.l3-2] == 0x88 { // no IP type starts so
		d.l3 += 4
	}
	d.family = int(e[d.l3] >> 4)
	if binary.NativeEndian.Uint16(f[8:]) == 6 {
		d.protocol, d.check, d.payload = udp, d.l4+6, d.l4+8
	} else {
		d.protocol, d.check, d.payload = tcp, d.l4+16, d.l4+int(e[d.l4+12]>>4)*4
	}
	return d
}

// patch sets what differs from packet to packet, for number i.
func (d dissection) patch(p []byte, i, offset int, last, allCWR bool) {
	if d.family == 4 {
		binary.BigEndian.PutUint16(p[d.l3+2:], uint16(len(p)-d.l3))
		id := int(binary.BigEndian.Uint16(p[d.l3+4:]))
		binary.BigEndian.PutUint16(p[d.l3+4:], uint16((id+i)%65536))
	} else {
		binary.BigEndian.PutUint16(p[d.l3+4:], uint16(len(p)-d.l3-40))
	}
	if d.protocol == udp {
		binary.BigEndian.PutUint16(p[d.l4+4:], uint16(len(p)-d.l4))
		return
	}
	seq := int64(binary.BigEndian.Uint32(p[d.l4+4:]))
	binary.BigEndian.PutUint32(p[d.l4+4:], uint32((seq+int64(offset))%(1<<32)))
	if !last {
		p[d.l4+13] &= ^byte(fin | psh)
	}
	if i > 0 && !allCWR {
		p[d.l4+13] &= ^byte(cwr)
	}
}

// finish fills in the checksums of p.
func (d dissection) finish(p []byte) {
	if d.family == 4 {
		p[d.l3+10], p[d.l3+11] = 0, 0
		binary.BigEndian.PutUint16(p[d.l3+10:], ^wordSum(p[d.l3:d.l4]))
	}
	p[d.check], p[d.check+1] = 0, 0
	sum := ^wordSum(append(d.pseudo(p), p[d.l4:]...))
	if d.protocol == udp && sum == 0 {
		sum = 0xffff // 0 means none, RFC 768
	}
	binary.BigEndian.PutUint16(p[d.check:], sum)
}

// pseudo is the pseudo-header of RFC 9293 §3.1 or RFC 8200 §8.1.
func (d dissection) pseudo(p []byte) []byte {
	length := len(p) - d.l4
	if d.family == 4 {
		h := append([]byte(nil), p[d.l3+12:d.l3+20]...)
		return append(h, 0, byte(d.protocol), byte(length>>24), byte(length>>16), byte(length>>8), byte(length))
	}
	h := append([]byte(nil), p[d.l3+8:d.l3+24]...)
	h = append(h, d.destination(p)...)
	return append(h, 0, byte(length>>16), byte(length>>8), byte(length), 0, 0, 0, byte(d.protocol))
}

// destination is the IPv6 address the packet ends at: that of a routing header
// which is not used up yet, or else the one in the IPv6 header.
func (d dissection) destination(p []byte) []byte {
	end := p[d.l3+24 : d.l3+40]
	for next, at := p[d.l3+6], d.l3+40; at < d.l4; next, at = p[at], at+8+8*int(p[at+1]) {
		if next != routing || p[at+3] == 0 {
			continue
		}
		first, addresses := at+8, int(p[at+1])/2
		if p[at+2] == 4 {
			addresses = 1 // the first is the last hop
		}
		if addresses > 0 && first+16*addresses <= d.l4 { // else nobody knows
			end = p[first+16*(addresses-1) : first+16*addresses]
		}
	}
	return end
}

// routed says whether p goes somewhere else first.
func (d dissection) routed(p []byte) bool {
	return d.family == 6 && !bytes.Equal(d.destination(p), p[d.l3+24:d.l3+40])
}

// repair sets the IPv4 header checksum and the partial transport checksum.
func repair(f frame.Frame) {
	d, e := dissect(f), f[10:]
	if d.family == 4 {
		e[d.l3+10], e[d.l3+11] = 0, 0
		binary.BigEndian.PutUint16(e[d.l3+10:], ^wordSum(e[d.l3:d.l4]))
	}
	binary.BigEndian.PutUint16(e[d.check:], wordSum(d.pseudo(e)))
}

// wordSum is the one's complement sum of RFC 1071, padded with a zero byte.
func wordSum(p []byte) uint16 {
	var n uint64
	for i, b := range p {
		if i%2 == 0 {
			n += uint64(b) << 8
		} else {
			n += uint64(b)
		}
	}
	for n > 0xffff {
		n = n>>16 + n&0xffff
	}
	return uint16(n)
}

// survivors keeps the packets whose relay is true.
func survivors(packets [][]byte, relay []bool) (kept [][]byte) {
	for i, p := range packets {
		if relay[i] {
			kept = append(kept, p)
		}
	}
	return kept
}
