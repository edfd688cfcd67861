package frame_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy/match"
)

// fragmentHeader is the fragment header of IPv6, with a place in units of 8 bytes and the bit
// for more fragments.
func fragmentHeader(place uint16, more byte) extension {
	return extension{fragment, []byte{byte(place >> 5), byte(place<<3) | more, 0, 0, 0, 7}}
}

// unfinished makes a plain frame of a super-frame, without checksums.
func unfinished(s super) frame.Frame {
	f := s.build()
	f.SetHeader(frame.Header{})
	return f
}

// arp is an ARP packet for IPv4.
func arp() frame.Frame {
	f := plain(typeARP, 46)
	copy(f[frame.HeaderLen+14:], []byte{0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 9, 0, 1, 0, 0, 0, 0, 0, 0, 10, 9, 0, 2})
	return f
}

// Keys of the packets that the builders make.
var (
	linkKey = match.Key{DestinationMAC: [6]byte(macTo), SourceMAC: [6]byte(macFrom)}
	ipv4Key = match.Key{
		DestinationMAC: linkKey.DestinationMAC, SourceMAC: linkKey.SourceMAC, EtherType: typeIPv4,
		Has:    match.HasIPv4 | match.HasDSCP | match.HasProtocol | match.HasPorts,
		Source: [16]byte{10, 9, 0, 1}, Destination: [16]byte{10, 9, 0, 2}, SourcePort: 49153, DestinationPort: 443, Protocol: tcp, Flags: match.ACK,
	}
	ipv6Key = match.Key{
		DestinationMAC: linkKey.DestinationMAC, SourceMAC: linkKey.SourceMAC, EtherType: typeIPv6,
		Has:    match.HasIPv6 | match.HasDSCP | match.HasProtocol | match.HasPorts,
		Source: [16]byte{0xfd, 7: 9, 15: 1}, Destination: [16]byte{0xfd, 7: 9, 15: 2}, SourcePort: 49153, DestinationPort: 53, Protocol: udp, DSCP: 0,
	}
)

// TestKey holds which header fields each kind of packet has.
func TestKey(t *testing.T) {
	tcp4 := super{family: 4, protocol: tcp, payload: 10, gso: 100}
	udp6 := super{family: 6, protocol: udp, payload: 10, gso: 100}
	with := func(s super, change func(s *super)) frame.Frame { change(&s); return unfinished(s) }
	without := func(k match.Key, has match.Has) match.Key {
		k.Has &^= has
		k.SourcePort, k.DestinationPort, k.Flags = 0, 0, 0
		if has&match.HasProtocol != 0 {
			k.Protocol = 0
		}
		return k
	}
	of := func(k match.Key, change func(k *match.Key)) match.Key { change(&k); return k }
	arpKey := of(linkKey, func(k *match.Key) {
		k.EtherType, k.Has, k.Source, k.Destination = typeARP, match.HasIPv4, ipv4Key.Source, ipv4Key.Destination
	})
	icmp := of(without(ipv6Key, match.HasPorts), func(k *match.Key) {
		k.Protocol, k.Has, k.Source, k.Destination, k.DSCP = 58, k.Has|match.IsND, [16]byte{}, [16]byte{}, 0
	})
	shorter := func(f frame.Frame, n int) frame.Frame { return f[:frame.HeaderLen+n] }
	for name, test := range map[string]struct {
		frame frame.Frame
		want  match.Key
	}{
		"TCP":                  {unfinished(tcp4), ipv4Key},
		"UDP":                  {unfinished(udp6), of(ipv6Key, func(k *match.Key) { k.DSCP = 0 })},
		"traffic class":        {changed(changed(unfinished(udp6), 14, 0x6b), 15, 0x9f), of(ipv6Key, func(k *match.Key) { k.DSCP = 0x2e })},
		"type of service":      {changed(unfinished(tcp4), 15, 0xb9), of(ipv4Key, func(k *match.Key) { k.DSCP = 46 })},
		"all flags":            {with(tcp4, func(s *super) { s.flags = 0xff }), of(ipv4Key, func(k *match.Key) { k.Flags = match.KnownFlags })},
		"flags without a word": {with(tcp4, func(s *super) { s.flags = psh | urg | ece | cwr }), ipv4Key},
		"a tag":                {behind(unfinished(tcp4), typeTag), of(ipv4Key, func(k *match.Key) { k.VLAN = match.Tagged | 7 })},
		"two tags":             {with(tcp4, func(s *super) { s.tags = []uint16{typeSTag, typeTag} }), of(ipv4Key, func(k *match.Key) { k.VLAN = match.Tagged | 100 })},
		"three tags":           {behind(unfinished(tcp4), typeTag, typeTag, typeSTag), of(linkKey, func(k *match.Key) { k.VLAN, k.EtherType = match.Tagged|7, typeSTag })},
		"a priority":           {changed(changed(behind(unfinished(tcp4), typeTag), 14, 0xe0), 15, 0), of(ipv4Key, func(k *match.Key) { k.VLAN = match.Tagged })},
		"a tag cut short":      {behind(plain(typeIPv4, 0), typeTag)[:frame.HeaderLen+17], of(linkKey, func(k *match.Key) { k.EtherType = typeTag })},
		"IPv4 options":         {with(tcp4, func(s *super) { s.ipv4 = make([]byte, 40) }), ipv4Key},
		"first fragment":       {changed(unfinished(tcp4), 20, 0x20), ipv4Key},
		"later fragment":       {changed(changed(unfinished(tcp4), 20, 0x20), 21, 1), without(ipv4Key, match.HasPorts)},
		"last fragment":        {changed(unfinished(tcp4), 20, 0x1f), without(ipv4Key, match.HasPorts)},
		"extension headers": {with(udp6, func(s *super) {
			s.ipv6 = []extension{padded(hopByHop, 0), padded(destinations, 2), segments(3, 1), fragmentHeader(0, 1), padded(destinations, 0)}
		}), ipv6Key},
		"later fragment of IPv6": {with(udp6, func(s *super) { s.ipv6 = []extension{padded(hopByHop, 0), fragmentHeader(1, 1)} }), without(ipv6Key, match.HasPorts)},
		"later fragment of an extension header": {with(udp6, func(s *super) { s.ipv6 = []extension{fragmentHeader(3, 0), padded(destinations, 0)} }),
			of(without(ipv6Key, match.HasPorts), func(k *match.Key) { k.Protocol = destinations })},
		"eight extension headers": {with(udp6, func(s *super) { s.ipv6 = slices.Repeat([]extension{padded(destinations, 0)}, 8) }), ipv6Key},
		"nine extension headers":  {with(udp6, func(s *super) { s.ipv6 = slices.Repeat([]extension{padded(destinations, 0)}, 9) }), without(ipv6Key, match.HasPorts|match.HasProtocol)},
		"neighbour discovery":     {icmpv6(135, 255, true), icmp},
		"discovery from afar":     {icmpv6(133, 64, false), icmp},
		"another ICMPv6":          {icmpv6(138, 255, false), of(icmp, func(k *match.Key) { k.Has &^= match.IsND })},
		"ICMPv6 in IPv4":          {changed(changed(unfinished(tcp4), 23, 58), 34, 135), of(without(ipv4Key, match.HasPorts), func(k *match.Key) { k.Protocol = 58 })},
		"SCTP":                    {changed(unfinished(tcp4), 23, 132), of(ipv4Key, func(k *match.Key) { k.Protocol, k.Flags = 132, 0 })},
		"DCCP":                    {changed(unfinished(tcp4), 23, 33), of(without(ipv4Key, match.HasPorts), func(k *match.Key) { k.Protocol = 33 })},
		"ARP":                     {arp(), arpKey},
		"ARP in a VLAN":           {behind(arp(), typeTag), of(arpKey, func(k *match.Key) { k.VLAN = match.Tagged | 7 })},
		"ARP of another kind":     {changed(arp(), 18, 8), of(linkKey, func(k *match.Key) { k.EtherType = typeARP })},
		"LLDP":                    {plain(0x88cc, 46), of(linkKey, func(k *match.Key) { k.EtherType = 0x88cc })},
		"IEEE 802.3":              {plain(46, 46), linkKey},
		"wrong version":           {changed(unfinished(tcp4), 14, 0x65), of(linkKey, func(k *match.Key) { k.EtherType = typeIPv4 })},
		"short IPv4 header":       {changed(unfinished(tcp4), 14, 0x44), of(linkKey, func(k *match.Key) { k.EtherType = typeIPv4 })},
		"IPv4 cut short":          {shorter(unfinished(tcp4), 33), of(linkKey, func(k *match.Key) { k.EtherType = typeIPv4 })},
		"ports cut short":         {shorter(unfinished(tcp4), 37), without(ipv4Key, match.HasPorts)},
		"flags cut short":         {shorter(unfinished(tcp4), 47), of(ipv4Key, func(k *match.Key) { k.Flags = 0 })},
		"a whole byte of flags":   {shorter(unfinished(tcp4), 48), ipv4Key},
		"no transport header":     {shorter(unfinished(udp6), 54), without(ipv6Key, match.HasPorts)},
		"an Ethernet header":      {plain(typeIPv6, 0), of(linkKey, func(k *match.Key) { k.EtherType = typeIPv6 })},
		"a runt":                  {plain(typeIPv6, 0)[:frame.HeaderLen+13], match.Key{}},
		"nothing":                 {nil, match.Key{}},
	} {
		if got := frame.Key(test.frame); got != test.want {
			t.Errorf("%s:\n%+v, want\n%+v", name, got, test.want)
		}
		if got := keyOf(test.frame[min(len(test.frame), frame.HeaderLen):]); got != test.want {
			t.Errorf("%s: the oracle says\n%+v, want\n%+v", name, got, test.want)
		}
	}
}

// Of a tunnel, the key has the outer headers.
func TestKeyOfTunnels(t *testing.T) {
	for name, u := range tunnelKinds() {
		inner := seeds()["tcp4"].build()
		got := frame.Key(u.wrapFrame(inner))
		if got != keyOf(u.wrapFrame(inner)[frame.HeaderLen:]) {
			t.Errorf("%s: %+v", name, got)
		}
		if got.Protocol == tcp || got.Flags != 0 || got == frame.Key(inner) {
			t.Errorf("%s: the key is that of the inner packet: %+v", name, got)
		}
	}
}

// The packets that Split makes of a super-frame have the keys and the lengths that are known
// of them before: one key for the last one, and one for all others.
func TestKeysOfSegments(t *testing.T) {
	check := func(name string, f frame.Frame) {
		l, err := frame.Inspect(f)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		last := frame.Key(f)
		if l.Packets() > 600 {
			return // each packet becomes a frame
		}
		for i := range l.Packets() {
			relay := make([]bool, l.Packets())
			relay[i] = true
			var s frame.Splitter
			packet := s.Split(f.Clone(), l, relay, nil)[0]
			want := last
			if i < l.Packets()-1 {
				want = frame.EarlierKey(last)
			}
			if got := frame.Key(packet); got != want {
				t.Fatalf("%s: packet %d of %d has the key\n%+v, want\n%+v", name, i, l.Packets(), got, want)
			}
			if got := l.Bytes(i, i+1); got != uint64(len(packet)-frame.HeaderLen) {
				t.Fatalf("%s: packet %d has %d bytes, want %d", name, i, len(packet)-frame.HeaderLen, got)
			}
		}
	}
	for name, s := range seeds() {
		check(name, s.build())
	}
	for name, s := range innerSupers() {
		for kind, u := range tunnelKinds() {
			check(kind+"/"+name, u.wrapFrame(s.build()))
		}
	}
	for seed := range uint64(500) {
		s := randomSuper(rand.New(rand.NewPCG(seed, 1)))
		s.payload = min(s.payload, 2000)
		check("random", s.build())
	}
}

// Any bytes have the key that the oracle reads, also when they end in the midst of a header.
func TestKeyOfAnyBytes(t *testing.T) {
	frames := []frame.Frame{arp(), icmpv6(135, 255, true), plain(46, 5)}
	for _, s := range seeds() {
		frames = append(frames, s.build())
	}
	for _, f := range frames {
		for n := range len(f) + 1 {
			checkKey(t, f[:n])
		}
	}
	c := crafter{Rand: rand.New(rand.NewPCG(2, 21)), kinds: slices.Sorted(maps.Keys(tunnelKinds())), tunnels: tunnelKinds()}
	kinds := make(map[match.Has]int)
	for range 20_000 {
		f := c.frame()
		checkKey(t, f)
		kinds[frame.Key(f).Has]++
	}
	if len(kinds) < 6 {
		t.Errorf("only these kinds: %v", kinds)
	}
}

func checkKey(t *testing.T, f frame.Frame) {
	t.Helper()
	if got, want := frame.Key(f), keyOf(f[min(len(f), frame.HeaderLen):]); got != want {
		t.Fatalf("% x has the key\n%+v, want\n%+v", []byte(f), got, want)
	}
}

// FuzzKey holds that no bytes make Key panic, and that it reads what the oracle reads.
func FuzzKey(f *testing.F) {
	f.Add([]byte(arp()))
	f.Add([]byte(icmpv6(135, 255, true)))
	for _, s := range seeds() {
		f.Add([]byte(s.build()))
	}
	f.Add([]byte(unfinished(super{family: 6, protocol: udp, payload: 5, gso: 100, ipv6: []extension{fragmentHeader(3, 1), padded(destinations, 0)}})))
	f.Fuzz(func(t *testing.T, in []byte) { checkKey(t, in) })
}

// Key allocates nothing.
func TestKeyAllocatesNothing(t *testing.T) {
	f := supers()["tcp6 chain"].build()
	var k match.Key
	if n := testing.AllocsPerRun(100, func() { k = frame.Key(f) }); n != 0 || k.SourcePort == 0 {
		t.Errorf("%v allocations for %+v", n, k)
	}
}

func BenchmarkKey(b *testing.B) {
	for _, bench := range []struct {
		name  string
		frame frame.Frame
	}{
		{"tcp4", supers()["tcp4"].build()},
		{"tcp4 two tags", supers()["tcp4 two tags"].build()},
		{"tcp6", supers()["tcp6"].build()},
		{"tcp6 chain", supers()["tcp6 chain"].build()},
		{"udp4", supers()["udp4"].build()},
		{"arp", arp()},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if k := frame.Key(bench.frame); k.Has == 0 {
					b.Fatal("no key")
				}
			}
		})
	}
}
