package kern

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// reference finds the owner of a frame, in a second implementation of owner.h.
type reference struct {
	claims []entry
}

type entry struct {
	prefix netip.Prefix
	claim  Claim
}

// of scans all claims for the longest prefix.
func (r *reference) of(bytes []byte) (found Claim) {
	addr, _ := netip.AddrFromSlice(bytes)
	longest := -1
	for _, e := range r.claims {
		if e.prefix.Contains(addr) && e.prefix.Bits() > longest {
			found, longest = e.claim, e.prefix.Bits()
		}
	}
	return found
}

func (r *reference) has(bytes []byte, any Claim) bool { return r.of(bytes)&any != 0 }

func (r *reference) owner(to towards, etherType uint16, b []byte) owner {
	switch {
	case etherType == unix.ETH_P_ARP && len(b) >= 28:
		return r.arp(to, b)
	case etherType == unix.ETH_P_IP && len(b) >= 20:
		header := 4 * int(b[0]&15)
		query := b[9] == unix.IPPROTO_IGMP && len(b) > header && b[header] == 0x11
		return r.packet(to, b[12:16], b[16:20], query)
	case etherType == unix.ETH_P_IPV6 && len(b) >= 40:
		message := icmpOf(b)
		if len(message) >= 24 {
			switch target := message[8:24]; message[0] {
			case solicitation:
				return r.solicitation(target)
			case advertisement:
				return r.advertisement(to, b[24:40], target)
			}
		}
		query := len(message) >= 8 && message[0] == listenerQuery
		return r.packet(to, b[8:24], b[24:40], query)
	}
	return slave
}

// packet decides about an IP packet of either family.
func (r *reference) packet(to towards, from, destination []byte, query bool) owner {
	group := to == toAll || to == toGroup
	switch {
	case r.has(destination, Own):
		return device
	case to == toOther:
		return slave
	case query && group:
		return both
	case group && r.has(from, Subnet), !group && r.has(from, Routed):
		return device
	}
	return slave
}

func (r *reference) arp(to towards, b []byte) owner {
	const request, reply = 1, 2
	operation, sender, target := binary.BigEndian.Uint16(b[6:]), b[14:18], b[24:28]
	if binary.BigEndian.Uint16(b[2:]) != unix.ETH_P_IP || b[4] != 6 || b[5] != 4 {
		return slave
	}
	announcement := operation == request && string(sender) == string(target)
	switch {
	case r.has(target, Own):
		return device
	case to == toOther:
		return slave
	case operation == reply || announcement:
		return both
	case operation != request:
	case r.has(target, Host):
		if r.has(sender, Routed) {
			return device
		}
	case r.has(target, Proxied) && (r.has(sender, Routed) || r.has(target, Routed)):
		return device
	}
	return slave
}

func (r *reference) solicitation(target []byte) owner {
	if r.has(target, Own) {
		return device
	}
	return slave
}

func (r *reference) advertisement(to towards, destination, target []byte) owner {
	switch {
	case r.has(target, Own), r.has(destination, Own):
		return device
	case to != toOther:
		return both
	}
	return slave
}

// icmpOf returns the ICMPv6 message of a packet, directly behind its header or behind
// hop-by-hop options of the least length.
func icmpOf(b []byte) []byte {
	next, rest := b[6], b[40:]
	if next == 0 && len(rest) >= 8 && rest[1] == 0 {
		next, rest = rest[0], rest[8:]
	}
	if next != unix.IPPROTO_ICMPV6 {
		return nil
	}
	return rest
}

// chance makes random claims and frames. Addresses have few random bits, so that claims
// often match frames.
type chance struct{ *rand.Rand }

func (c chance) one(of ...uint16) uint16 { return of[c.IntN(len(of))] }

func (c chance) addr(family int) netip.Addr {
	n := byte(c.IntN(64))
	if family == 4 {
		return netip.AddrFrom4([4]byte{10, n & 0x30, 0, n & 0xf})
	}
	return netip.AddrFrom16([16]byte{0: 0x20, 5: n & 0x30, 15: n & 0xf})
}

func (c chance) claims() (Claims, *reference) {
	claims := make(Claims)
	for range c.IntN(20) {
		addr := c.addr(4 + 2*c.IntN(2))
		bits := addr.BitLen() - c.IntN(6)
		if c.IntN(4) == 0 {
			bits = c.IntN(addr.BitLen() + 1)
		}
		claims[netip.PrefixFrom(addr, bits).Masked()] = Claim(c.IntN(64))
	}
	var r reference
	for p, claim := range claims {
		r.claims = append(r.claims, entry{p, claim})
	}
	return claims, &r
}

// frame makes a packet; most of them are valid.
func (c chance) frame() (to towards, etherType uint16, body []byte) {
	to = towards(c.IntN(4))
	etherType = c.one(unix.ETH_P_ARP, unix.ETH_P_IP, unix.ETH_P_IPV6, unix.ETH_P_IPV6)
	switch etherType {
	case unix.ETH_P_ARP:
		body = arp(c.one(1, 1, 2, 2, 0, 3), c.addr(4).String(), c.addr(4).String())
	case unix.ETH_P_IP:
		body = ipv4(c.addr(4).String(), c.addr(4).String(), byte(c.one(2, 17)),
			make([]byte, 4*c.IntN(4)), []byte{byte(c.one(0x11, 0x16)), 0, 0, 0})
	case unix.ETH_P_IPV6:
		body = c.ipv6()
	}
	switch c.IntN(10) {
	case 0:
		body = body[:1+c.IntN(len(body))]
	case 1:
		body[c.IntN(len(body))] = byte(c.Uint32())
	case 2:
		etherType = c.one(unix.ETH_P_ARP, unix.ETH_P_IP, unix.ETH_P_IPV6, etherExperiment)
	case 3:
		body = append(body, make([]byte, c.IntN(100))...)
	}
	if 14+len(body) < leastRun[etherType] {
		return c.frame()
	}
	return to, etherType, body
}

// leastRun is the length in bytes below which the kernel does not run a program for a
// test (net/bpf/test_run.c, since Linux 6.18). The limit is meant for the packet, but the
// kernel compares it with the frame.
var leastRun = map[uint16]int{unix.ETH_P_IP: 20, unix.ETH_P_IPV6: 40}

func (c chance) ipv6() []byte {
	payload := icmpv6(byte(c.one(listenerQuery, solicitation, solicitation, advertisement, advertisement, echoRequest)),
		c.addr(6).String())
	next := byte(c.one(58, 58, 17))
	if c.IntN(3) == 0 {
		options := routerAlert(next)
		options[1] = byte(c.one(0, 0, 0, 1))
		next, payload = 0, append(options, payload...)
	}
	return ipv6(c.addr(6).String(), c.addr(6).String(), next, payload)
}

// The kernel agrees with the reference, on random frames and random claims.
func TestOwnerAgainstReference(t *testing.T) {
	b := newBench(t, nil)
	c := chance{rand.New(rand.NewPCG(2000, 11))}
	const rounds, frames = 100, 1000
	seen := make(map[owner]int)
	for round := range rounds {
		claims, ref := c.claims()
		must(t, b.Claim(claims))
		for range frames {
			to, etherType, body := c.frame()
			want := ref.owner(to, etherType, body)
			if got := b.auto(to, etherType, body); got != want {
				t.Fatalf("round %d: %v, want %v: kind %d, type %#x, % x\nclaims %v", round, got, want, to, etherType, body, claims)
			}
			seen[want]++
		}
	}
	for o := slave; o <= device; o++ {
		if seen[o] < rounds*frames/50 {
			t.Errorf("%v of only %d frames of %d: the test is weak", o, seen[o], rounds*frames)
		}
	}
}

// Of and Wider of Claims agree with a plain search.
func TestClaimsOf(t *testing.T) {
	c := chance{rand.New(rand.NewPCG(2000, 12))}
	for range 500 {
		claims, ref := c.claims()
		for range 20 {
			addr := c.addr(4 + 2*c.IntN(2))
			if got, want := claims.Of(addr), ref.of(addr.AsSlice()); got != want {
				t.Fatalf("%v: %v, want %v: %v", addr, got, want, claims)
			}
			p := netip.PrefixFrom(addr, c.IntN(addr.BitLen()+1)).Masked()
			claim, claimed := claims[p]
			delete(claims, p)
			want := Claim(0)
			for bits := p.Bits() - 1; bits >= 0 && want == 0; bits-- {
				wider, ok := claims[netip.PrefixFrom(p.Addr(), bits).Masked()]
				if want = wider; ok {
					break
				}
			}
			if claimed {
				claims[p] = claim
			}
			if got := claims.Wider(p); got != want {
				t.Fatalf("wider than %v: %v, want %v: %v", p, got, want, claims)
			}
		}
	}
}
