package frame_test

import (
	"encoding/binary"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

const typeARP = 0x0806

// behind puts VLAN tags in front of the type of a frame, the outer one first.
func behind(f frame.Frame, tags ...uint16) frame.Frame {
	const link = frame.HeaderLen + 12
	tagged := append(frame.Frame{}, f[:link]...)
	for _, tag := range tags {
		tagged = append(binary.BigEndian.AppendUint16(tagged, tag), 0, 7)
	}
	return append(tagged, f[link:]...)
}

// icmpv6 is a message with a hop limit. With an option, it follows hop-by-hop options of the
// least length.
func icmpv6(kind, hops byte, option bool) frame.Frame {
	f := plain(typeIPv6, 40)
	ip := f[len(f)-40:]
	ip[0], ip[6], ip[7] = 0x60, 58, hops
	if option {
		ip[6] = hopByHop
		f = append(f, 58, 0, 5, 2, 0, 0, 1, 0)
	}
	return append(f, kind, 0, 0, 0, 0, 0, 0, 0)
}

// changed is a frame with one byte changed, counted from the Ethernet header.
func changed(f frame.Frame, at int, to byte) frame.Frame {
	f[frame.HeaderLen+at] = to
	return f
}

// TestNeighbour holds that exactly the messages by which hosts find each other are known.
func TestNeighbour(t *testing.T) {
	arp := func() frame.Frame { return plain(typeARP, 28) }
	igmp := changed(plain(typeIPv4, 28), 14+9, 2)
	shorter := func(f frame.Frame, by int) frame.Frame { return f[:len(f)-by] }
	super := supers()["tcp4"].build()
	superARP := changed(changed(supers()["tcp4"].build(), 12, 0x08), 13, 0x06)
	for name, test := range map[string]struct {
		frame frame.Frame
		want  bool
	}{
		"ARP":                    {arp(), true},
		"ARP with padding":       {plain(typeARP, 46), true},
		"ARP in a VLAN":          {behind(arp(), typeTag), true},
		"ARP in two VLANs":       {behind(arp(), typeSTag, typeTag), true},
		"ARP in three VLANs":     {behind(arp(), typeSTag, typeTag, typeTag), false},
		"ARP that is cut short":  {plain(typeARP, 9), false},
		"reverse ARP":            {plain(0x8035, 28), false},
		"IGMP":                   {igmp, true},
		"IGMP in a VLAN":         {behind(igmp, typeTag), true},
		"ICMP":                   {changed(plain(typeIPv4, 28), 14+9, 1), false},
		"IPv4 cut short":         {plain(typeIPv4, 9), false},
		"solicitation in a VLAN": {behind(icmpv6(135, 255, false), typeTag), true},
		"MLD with router alert":  {icmpv6(143, 1, true), true},
		"MLD from afar":          {icmpv6(143, 64, true), false},
		"longer options":         {changed(icmpv6(143, 1, true), 14+41, 1), false},
		"options alone":          {shorter(icmpv6(143, 1, true), 16), false},
		"options and no message": {shorter(icmpv6(143, 1, true), 8), false},
		"message without a type": {shorter(icmpv6(135, 255, false), 8), false},
		"UDP that looks like it": {changed(icmpv6(135, 255, false), 14+6, udp), false},
		"behind other options":   {changed(icmpv6(135, 255, true), 14+40, destinations), false},
		"a super-frame":          {super, false},
		"a super-frame of ARP":   {superARP, false},
		"nothing":                {frame.Frame{}, false},
		"a virtio header":        {make(frame.Frame, frame.HeaderLen), false},
		"a tag cut short":        {behind(plain(typeARP, 8), typeTag), false},
	} {
		if got := frame.Neighbour(test.frame); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// TestNeighbourTypes holds that the type of an ICMPv6 message and its hop limit belong
// together.
func TestNeighbourTypes(t *testing.T) {
	known := map[byte]byte{130: 1, 131: 1, 132: 1, 143: 1, 133: 255, 134: 255, 135: 255, 136: 255, 137: 255}
	for kind := range 256 {
		for _, hops := range []byte{0, 1, 2, 64, 254, 255} {
			for _, option := range []bool{false, true} {
				want := hops != 0 && known[byte(kind)] == hops
				if got := frame.Neighbour(icmpv6(byte(kind), hops, option)); got != want {
					t.Errorf("type %d, hop limit %d, option %v: %v, want %v", kind, hops, option, got, want)
				}
			}
		}
	}
}
