package kern

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

// tunnels are the bytes between the MAC addresses of a frame and the IP packet in it, by kind
// of tunnel: for an inner packet of IPv4, and of IPv6. inTunnel fills in the lengths.
var tunnels = map[string][2][]byte{
	"ipip":      {outer4(unix.IPPROTO_IPIP), outer4(unix.IPPROTO_IPV6)},
	"ip6tnl":    {outer6(unix.IPPROTO_IPIP), outer6(unix.IPPROTO_IPV6)},
	"limit":     {outer6(60, unix.IPPROTO_IPIP, 0, 4, 1, 4, 1, 1, 0), outer6(60, unix.IPPROTO_IPV6, 0, 4, 1, 4, 1, 1, 0)},
	"gre":       {outer4(unix.IPPROTO_GRE, 0, 0, 8, 0), outer4(unix.IPPROTO_GRE, 0, 0, 0x86, 0xdd)},
	"gre key":   {outer4(unix.IPPROTO_GRE, 0xa0, 0, 8, 0, 1, 2, 0, 0, 0, 0, 0, 1), outer4(unix.IPPROTO_GRE, 0x20, 0, 0x86, 0xdd, 0, 0, 0, 1)},
	"gretap":    {bridged(outer6(unix.IPPROTO_GRE, 0, 0, 0x65, 0x58), 4), bridged(outer6(unix.IPPROTO_GRE, 0, 0, 0x65, 0x58), 6)},
	"vxlan":     {bridged(udp4Port(8, 0, 0, 0, 0, 0, 42, 0), 4), bridged(udp4Port(8, 0, 0, 0, 0, 0, 42, 0), 6)},
	"vxlan gbp": {bridged(udp4Port(0x88, 0, 1, 2, 0, 0, 42, 0), 4), bridged(udp4Port(0x88, 0, 1, 2, 0, 0, 42, 0), 6)},
	"vxlan gpe": {udp4Port(0x0c, 0, 0, 1, 0, 0, 42, 0), udp4Port(0x0c, 0, 0, 2, 0, 0, 42, 0)},
	"geneve": {bridged(udp4Port(2, 0, 0x65, 0x58, 0, 0, 42, 0, 1, 2, 3, 1, 1, 2, 3, 4), 4),
		bridged(udp4Port(0, 0, 0x65, 0x58, 0, 0, 42, 0), 6)},
	"fou":   {udp4Port(), udp4Port()},
	"gue":   {udp4Port(1, unix.IPPROTO_IPIP, 0, 0, 0, 0, 0, 0), udp4Port(0, unix.IPPROTO_IPV6, 0, 0)},
	"pppoe": {[]byte{0x88, 0x64, 0x11, 0, 0, 7, 0, 0, 0, 0x21}, []byte{0x88, 0x64, 0x11, 0, 0, 7, 0, 0, 0, 0x57}},
	"mpls":  {[]byte{0x88, 0x47, 0, 0, 0x10, 64, 0, 0, 0x21, 64}, []byte{0x88, 0x48, 0, 0, 0x11, 64}},
	"qinq":  {[]byte{0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0}, []byte{0x81, 0, 0, 2, 0x86, 0xdd}},
}

// outer4 is an Ethernet type and an IPv4 header with what follows it.
func outer4(protocol byte, more ...byte) []byte {
	return append([]byte{8, 0, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}, more...)
}

func outer6(next byte, more ...byte) []byte {
	h := make([]byte, 2+40)
	h[0], h[1], h[2], h[8], h[9] = 0x86, 0xdd, 0x60, next, 64
	return append(h, more...)
}

// udp4Port is outer4 with a UDP header.
func udp4Port(more ...byte) []byte {
	return outer4(unix.IPPROTO_UDP, append([]byte{0xc0, 1, 0x12, 0xb5, 0, 0, 0, 0}, more...)...)
}

// bridged adds an Ethernet header for a packet of a family.
func bridged(h []byte, family int) []byte {
	h = append(slices.Clone(h), 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2)
	if family == 6 {
		return append(h, 0x86, 0xdd)
	}
	return append(h, 8, 0)
}

// inTunnel puts the packet of a super-frame into a tunnel.
func inTunnel(s sample, f frame.Frame, tunnel [2][]byte) frame.Frame {
	h := slices.Clone(tunnel[s.family/2-2])
	const link = frame.HeaderLen + 12
	rest := len(f) - link - 2
	switch binary.BigEndian.Uint16(h) {
	case unix.ETH_P_IP:
		binary.BigEndian.PutUint16(h[4:], uint16(len(h)-2+rest))
		if h[11] == unix.IPPROTO_UDP {
			binary.BigEndian.PutUint16(h[26:], uint16(len(h)-22+rest))
		}
	case unix.ETH_P_IPV6:
		binary.BigEndian.PutUint16(h[6:], uint16(len(h)-42+rest))
	}
	virtio := f.Header()
	virtio.CsumStart += uint16(len(h) - 2)
	g := frame.Frame(slices.Concat(f[:link], h, f[link+2:]))
	g.SetHeader(virtio)
	return g
}

// The kernel counts the packets of a super-frame in a tunnel, or with tags, as the relay
// does.
func TestFastpathTunnels(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	program := c.open("pass", 0)
	r := rand.New(rand.NewPCG(5, 6))
	for kind, tunnel := range tunnels {
		for range 400 / raceDivisor {
			s := anySample(r, 3000)
			s.what = kind
			s.size = 1 + s.payload/(1+r.IntN(8))
			f := inTunnel(s, s.build(0), tunnel)
			want, layout := outcomeOf(&program, 0, 0, f)
			if want != relayed {
				t.Fatalf("%s: %+v: %v by the relay", kind, s, want)
			}
			got, counts := c.transmit(s, f)
			if expected := countsOf(want, policy.Verdict{}, layout); got != want || counts != expected {
				t.Fatalf("%s: %+v: %v %+v, want %v %+v", kind, s, got, counts, want, expected)
			}
		}
	}
}

// A length field that disagrees makes the kernel leave a frame to the relay.
func TestFastpathDamagedTunnels(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	c.open("pass", 0)
	s := sample{family: 4, protocol: unix.IPPROTO_TCP, payload: 2000, size: 700}
	for kind, at := range map[string][]int{
		"ipip": {14 + 2, 34 + 2, 14, 34, 14 + 6, 34 + 6}, "gre": {14 + 2, 38 + 2, 34}, "gretap": {14 + 4, 14, 72 + 2},
		"vxlan": {14 + 2, 34 + 4}, "ip6tnl": {14 + 4, 54 + 2},
	} {
		for _, offset := range at {
			s.what = kind
			s.mutate = func(f frame.Frame) {}
			f := inTunnel(s, s.build(0), tunnels[kind])
			f[frame.HeaderLen+offset] ^= 0x10
			if got, _ := c.transmit(s, f); got != undecided {
				if _, err := frame.Inspect(f); err != nil {
					t.Errorf("%s, byte %d damaged: %v, the relay says %v", kind, offset, got, err)
				}
			}
		}
	}
}
