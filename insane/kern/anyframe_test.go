package kern

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy/match"
)

// ruledPolicies are policies of rules, and policies of which the kernel knows nothing.
var ruledPolicies = []string{"pass", "percent 0", "percent 50", "every 3", "percent 70 run 4", "exactly 2 of 5", "delay 10ms", "rate 1mbit"}

// anyMatch returns the words of a random match, about the few values that frames here have.
func anyMatch(r *rand.Rand) string {
	address := func() string { return [2]string{anyIPv4(r), anyIPv6(r)}[r.IntN(2)] }
	side := func() string { return [3]string{"", "src ", "dst "}[r.IntN(3)] }
	terms := []func() string{
		func() string { return side() + "host " + address() },
		func() string { return side() + "net 10.0.0." + strconv.Itoa(4*r.IntN(2)) + "/30" },
		func() string { return side() + "port " + strconv.Itoa(anyPort(r)) },
		func() string {
			low := anyPort(r)
			return fmt.Sprintf("%sportrange %d-%d", side(), low, low+r.IntN(200))
		},
		func() string { return "greater " + strconv.Itoa(40+r.IntN(400)) },
		func() string { return "less " + strconv.Itoa(40+r.IntN(400)) },
		func() string { return "vlan" + [3]string{"", " 1", " 2"}[r.IntN(3)] },
		func() string { return "dscp " + strconv.Itoa(r.IntN(4)) },
		func() string { return "proto " + strconv.Itoa(r.IntN(3)) },
		func() string { return "ether proto " + strconv.Itoa(0x800+r.IntN(8)) },
		func() string {
			return strings.Fields("ip ip6 arp tcp udp sctp icmp icmp6 nd syn fin rst ack")[r.IntN(13)]
		},
	}
	for {
		var words []string
		for range 1 + r.IntN(3) {
			words = append(words, strings.Fields(terms[r.IntN(len(terms))]())...)
		}
		if _, err := match.Parse(words); err == nil {
			return strings.Join(words, " ")
		}
	}
}

func anyIPv4(r *rand.Rand) string { return "10.0.0." + strconv.Itoa(r.IntN(8)) }
func anyIPv6(r *rand.Rand) string { return "2001:db8::" + strconv.Itoa(r.IntN(4)) }
func anyPort(r *rand.Rand) int    { return []int{53, 80, 443, 1000, 1001}[r.IntN(5)] }

// anyFrame is a frame of a random kind with these values: whole or cut short, and now and then a
// super-frame or any bytes.
func anyFrame(r *rand.Rand) (sample, frame.Frame) {
	if r.IntN(4) == 0 {
		s := anySample(r, 700)
		f := s.build(0)
		body := f[frame.HeaderLen+14:]
		at, ports := 12, 20
		if s.family == 6 {
			at, ports = 8, 40
			copy(body[at:], ip(anyIPv6(r)).AsSlice())
		} else {
			copy(body[at:], ip(anyIPv4(r)).AsSlice())
			ports = int(body[0]&15) * 4
		}
		body[ports+1], body[ports+3] = byte(anyPort(r)), byte(anyPort(r))
		if s.protocol == unix.IPPROTO_TCP {
			body[ports+13] = byte(r.IntN(32))
		}
		return s, f
	}
	f := append(make(frame.Frame, frame.HeaderLen), 2, 0x69, 0x6e, 0x73, 0, byte(r.IntN(2)), 2, 0x69, 0x6e, 0x73, 1, byte(r.IntN(2)))
	for tags := r.IntN(8) - 5; tags > 0; tags-- {
		f = append(f, [2]byte{0x81, 0x88}[r.IntN(2)], [3]byte{0, 0xa8, 0}[r.IntN(3)], byte(r.IntN(256)), byte(r.IntN(3)))
	}
	etherType, body := anyBody(r)
	f = append(append(f, byte(etherType>>8), byte(etherType)), body...)
	if r.IntN(6) == 0 {
		f = f[:min(len(f), frame.HeaderLen+15+r.IntN(len(f)))]
	}
	for short := map[uint16]int{unix.ETH_P_IP: 20, unix.ETH_P_IPV6: 40}[uint16(f[frame.HeaderLen+12])<<8|uint16(f[frame.HeaderLen+13])]; len(f) < frame.HeaderLen+14+short; {
		f = append(f, 0) // the kernel runs no program on an IP header that is cut short
	}
	if r.IntN(6) == 0 && len(f) > frame.HeaderLen+14 {
		f[frame.HeaderLen+14+r.IntN(min(46, len(f)-frame.HeaderLen-14))] ^= 1 << r.IntN(8)
	}
	return sample{what: "frame"}, f
}

// anyBody is a packet of a random kind, and its Ethernet type.
func anyBody(r *rand.Rand) (etherType uint16, body []byte) {
	transport := make([]byte, r.IntN(400))
	for i := range min(len(transport), 24) {
		transport[i] = byte(r.IntN(256))
	}
	if len(transport) > 3 && r.IntN(4) > 0 {
		transport[0], transport[2] = byte(anyPort(r)>>8), byte(anyPort(r)>>8)
		transport[1], transport[3] = byte(anyPort(r)), byte(anyPort(r))
	}
	protocol := []byte{1, 2, 6, 6, 17, 17, 58, 132, byte(r.IntN(50))}[r.IntN(9)]
	switch r.IntN(9) {
	case 0, 1, 2, 3:
		p := ipv4(anyIPv4(r), anyIPv4(r), protocol, make([]byte, 4*r.IntN(3)), transport)
		p[1] = byte(r.IntN(16))
		if r.IntN(8) == 0 {
			p[6], p[7] = byte(r.IntN(64)), byte(r.IntN(2))
		}
		return unix.ETH_P_IP, p
	case 4, 5, 6:
		next := protocol
		for range max(0, r.IntN(14)-4) {
			kind := []byte{0, 43, 60, 44, 44}[r.IntN(5)]
			header := make([]byte, 8*(1+r.IntN(2)))
			header[0], header[1] = next, byte(len(header)/8-1)
			if kind == 44 {
				header = []byte{next, 0, 0, byte(r.IntN(2) + 8*max(0, r.IntN(6)-4)), 0, 0, 0, 1}
			}
			transport, next = append(header, transport...), kind
		}
		p := ipv6(anyIPv6(r), anyIPv6(r), next, transport)
		p[0], p[1] = 0x60|byte(r.IntN(2)), byte(r.IntN(256))
		p[7] = byte(254 + r.IntN(2))
		return unix.ETH_P_IPV6, p
	case 7:
		return unix.ETH_P_ARP, append(arp(uint16(1+r.IntN(2)), anyIPv4(r), anyIPv4(r)), make([]byte, r.IntN(20))...)
	}
	return uint16(0x5fe + r.IntN(0x210)), transport
}
