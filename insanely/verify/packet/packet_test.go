package packet

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy/match"
)

// udp makes a UDP packet over IPv4 with right checksums.
func udp(id uint16, payload []byte) []byte {
	b := make([]byte, 42, 42+len(payload))
	copy(b, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0})
	binary.BigEndian.PutUint16(b[16:], uint16(28+len(payload)))
	binary.BigEndian.PutUint16(b[18:], id)
	b[22], b[23] = 64, protocolUDP
	copy(b[26:], []byte{10, 9, 0, 1, 10, 9, 0, 2})
	binary.BigEndian.PutUint16(b[24:], ^fold(sum(b[14:34], 0)))
	binary.BigEndian.PutUint16(b[34:], 1000)
	binary.BigEndian.PutUint16(b[36:], 53)
	binary.BigEndian.PutUint16(b[38:], uint16(8+len(payload)))
	b = append(b, payload...)
	pseudo := sum(b[26:34], protocolUDP+uint64(8+len(payload)))
	binary.BigEndian.PutUint16(b[40:], ^fold(sum(b[34:], pseudo)))
	return b
}

// tcp makes a TCP packet over IPv6 whose checksum is left to be finished.
func tcp(sequence uint32, flags byte, payload []byte) []byte {
	b := make([]byte, 74, 74+len(payload))
	copy(b, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60})
	binary.BigEndian.PutUint16(b[18:], uint16(20+len(payload)))
	b[20], b[21], b[22], b[38] = protocolTCP, 64, 0xfd, 0xfd
	binary.BigEndian.PutUint16(b[54:], 1000)
	binary.BigEndian.PutUint16(b[56:], 443)
	binary.BigEndian.PutUint32(b[58:], sequence)
	b[66], b[67] = 5<<4, flags
	binary.BigEndian.PutUint16(b[70:], fold(sum(b[22:54], protocolTCP+uint64(20+len(payload)))))
	return append(b, payload...)
}

// packets takes a frame apart.
func packets(t *testing.T, f Frame) (list []Packet) {
	t.Helper()
	f.Length = len(f.Bytes)
	if !f.Each(func(p Packet) { list = append(list, p) }) {
		t.Fatal("the frame cannot be taken apart")
	}
	return list
}

// noise makes a payload whose parts are all different.
func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*i>>3 + i)
	}
	return b
}

// The packets of a super-frame are those that the sender would have sent one by one.
func TestSuperFrames(t *testing.T) {
	payload := noise(250)
	var one []Packet
	for i := range 3 {
		part := payload[i*100 : min(250, (i+1)*100)]
		one = append(one, packets(t, Frame{Bytes: udp(uint16(7+i), part)})...)
	}
	super := packets(t, Frame{Bytes: udp(7, payload), Segment: 100})
	if !slices.Equal(super, one) {
		t.Errorf("UDP: a super-frame has\n%+v, want\n%+v", super, one)
	}
	one = nil
	for i := range 3 {
		flags := byte(match.ACK)
		if i == 2 {
			flags |= byte(match.FIN)
		}
		part := payload[i*100 : min(250, (i+1)*100)]
		one = append(one, packets(t, Frame{Bytes: tcp(uint32(5000+i*100), flags, part)})...)
	}
	super = packets(t, Frame{Bytes: tcp(5000, byte(match.ACK|match.FIN), payload), Segment: 100, Packets: 3})
	if !slices.Equal(super, one) {
		t.Errorf("TCP: a super-frame has\n%+v, want\n%+v", super, one)
	}
	wrong := Frame{Bytes: udp(7, payload), Segment: 100, Packets: 4}
	wrong.Length = len(wrong.Bytes)
	if wrong.Each(func(Packet) { t.Error("a packet of a super-frame that is none of UDP") }) {
		t.Error("a super-frame whose packets are more than they can be is taken apart")
	}
}

// A packet is known again with other Ethernet addresses, a mark, a finished checksum and padding;
// every flipped bit behind the Ethernet header shows, but for those that may change.
func TestIdentity(t *testing.T) {
	plain := udp(7, noise(90))
	before := packets(t, Frame{Bytes: plain})[0]
	if before.Broken || before.Congested || before.Neighbour {
		t.Errorf("a plain packet is %+v", before)
	}
	other := slices.Clone(plain)
	other[5], other[15] = 9, 3 // the mark CE
	binary.BigEndian.PutUint16(other[24:], 0)
	binary.BigEndian.PutUint16(other[24:], ^fold(sum(other[14:34], 0)))
	other = append(other, 0, 0, 0)
	if after := packets(t, Frame{Bytes: other})[0]; after.Identity != before.Identity || !after.Congested || after.Broken {
		t.Errorf("marked it is %+v, want %+v", after, before)
	}
	for bit := 14 * 8; bit < len(plain)*8; bit++ {
		flipped := slices.Clone(plain)
		flipped[bit/8] ^= 1 << (bit % 8)
		after := packets(t, Frame{Bytes: flipped})[0]
		if after.Digest == before.Digest && !after.Broken {
			t.Errorf("bit %d of byte %d is flipped, and that does not show", bit%8, bit/8)
		}
		if bit/8 >= 42+nameBytes && after.Name != before.Name {
			t.Errorf("byte %d is damaged, and the packet is not known", bit/8)
		}
	}
	if packets(t, Frame{Bytes: tcp(1, 0, noise(50))})[0].Broken {
		t.Error("a checksum that is left to be finished is wrong")
	}
}

// The fields at which rules look, and the messages that they spare.
func TestKeys(t *testing.T) {
	p := packets(t, Frame{Bytes: udp(7, noise(90)), Tag: match.Tagged | 5})[0]
	if p.Key.SourcePort != 1000 || p.Key.DestinationPort != 53 || p.Key.Protocol != protocolUDP || p.Length != 42+90+4 ||
		p.Key.VLAN != match.Tagged|5 || p.Key.Source[0] != 10 || p.Key.Has != match.HasIPv4|match.HasDSCP|match.HasProtocol|match.HasPorts {
		t.Errorf("the key is %+v", p)
	}
	arp := make([]byte, 42)
	copy(arp[12:], []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, 1})
	solicitation := make([]byte, 14+40+24)
	copy(solicitation[12:], []byte{0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, protocolICMPv6, 255})
	solicitation[54] = 135
	for _, b := range [][]byte{arp, solicitation} {
		if !packets(t, Frame{Bytes: b})[0].Neighbour {
			t.Errorf("% x is no message of neighbours", b[:22])
		}
	}
}

// Any bytes are allowed, and rules look at what the device says they look at: its own code for that
// is another one.
func FuzzFrame(f *testing.F) {
	f.Add(udp(7, noise(30)), 10)
	f.Add(tcp(7, 1, noise(30)), 0)
	f.Add([]byte("0"), -78)
	f.Fuzz(func(t *testing.T, b []byte, segment int) {
		seen := Frame{Bytes: b, Length: len(b) + segment&1, Segment: max(0, segment) & 0xffff}
		seen.Each(func(p Packet) {
			want := frame.Key(append(make(frame.Frame, frame.HeaderLen), b...))
			if seen.Segment == 0 && len(b) >= etherLen && p.Key != want {
				t.Errorf("% x has the key %+v, want %+v", b, p.Key, want)
			}
		})
	})
}
