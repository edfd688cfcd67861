package match

import (
	"bytes"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
)

// oracle is a match by another way: it is made of the words, and looks at the fields of a key
// one after the other.
type oracle []func(k *Key, length uint32) bool

func (o oracle) fits(k *Key, length uint32) bool {
	for _, part := range o {
		if !part(k, length) {
			return false
		}
	}
	return true
}

// oracleOf makes an oracle of the words of a match.
func oracleOf(words []string) (o oracle) {
	for len(words) > 0 {
		var part func(k *Key, length uint32) bool
		part, words = oraclePart(words)
		o = append(o, part)
	}
	return o
}

// oraclePart reads one part of a match.
func oraclePart(words []string) (func(*Key, uint32) bool, []string) {
	side, ether := "", false
	for words[0] == "src" || words[0] == "dst" || words[0] == "ether" {
		if words[0] == "ether" {
			ether = true
		} else {
			side = words[0]
		}
		words = words[1:]
	}
	word, rest := words[0], words[1:]
	argument, number := "", 0
	if len(rest) > 0 {
		argument = rest[0]
		number, _ = strconv.Atoi(argument)
	}
	switch {
	case word == "host" && ether:
		mac, _ := net.ParseMAC(argument)
		return func(k *Key, _ uint32) bool {
			return side != "dst" && bytes.Equal(k.SourceMAC[:], mac) || side != "src" && bytes.Equal(k.DestinationMAC[:], mac)
		}, rest[1:]
	case word == "proto" && ether:
		n, _ := strconv.ParseUint(argument, 0, 16)
		return func(k *Key, _ uint32) bool { return k.EtherType == uint16(n) }, rest[1:]
	case word == "host" || word == "net":
		return oracleNet(argument, side), rest[1:]
	case word == "port":
		return oraclePorts(number, number, side), rest[1:]
	case word == "portrange":
		low, high, _ := strings.Cut(argument, "-")
		l, _ := strconv.Atoi(low)
		h, _ := strconv.Atoi(high)
		return oraclePorts(l, h, side), rest[1:]
	case word == "vlan":
		if argument == "" || strings.Trim(argument, "0123456789") != "" {
			return func(k *Key, _ uint32) bool { return k.VLAN != 0 }, rest
		}
		return func(k *Key, _ uint32) bool { return k.VLAN != 0 && int(k.VLAN%4096) == number }, rest[1:]
	case word == "proto":
		return func(k *Key, _ uint32) bool { return k.Has&HasProtocol != 0 && int(k.Protocol) == number }, rest[1:]
	case word == "dscp":
		return func(k *Key, _ uint32) bool { return k.Has&HasDSCP != 0 && int(k.DSCP) == number }, rest[1:]
	case word == "greater":
		return func(_ *Key, length uint32) bool { return int(length) >= number }, rest[1:]
	case word == "less":
		return func(_ *Key, length uint32) bool { return int(length) <= number }, rest[1:]
	case word == "any" || word == "and":
		return func(*Key, uint32) bool { return true }, rest
	}
	return oracleWord(word), rest
}

// oracleWord is oraclePart for a word that has no arguments.
func oracleWord(word string) func(*Key, uint32) bool {
	ethers := map[string]uint16{"ip": 0x800, "ip6": 0x86dd, "arp": 0x806}
	protocols := map[string]uint8{"tcp": 6, "udp": 17, "sctp": 132}
	flags := map[string]Flags{"fin": 1, "syn": 2, "rst": 4, "ack": 16}
	if n, ok := ethers[word]; ok {
		return func(k *Key, _ uint32) bool { return k.EtherType == n }
	}
	if n, ok := protocols[word]; ok {
		return func(k *Key, _ uint32) bool { return k.Has&HasProtocol != 0 && k.Protocol == n }
	}
	if f, ok := flags[word]; ok {
		return func(k *Key, _ uint32) bool { return k.Flags&f != 0 }
	}
	switch word {
	case "icmp":
		return func(k *Key, _ uint32) bool { return k.EtherType == 0x800 && k.Has&HasProtocol != 0 && k.Protocol == 1 }
	case "icmp6":
		return func(k *Key, _ uint32) bool {
			return k.EtherType == 0x86dd && k.Has&HasProtocol != 0 && k.Protocol == 58
		}
	case "nd":
		return func(k *Key, _ uint32) bool { return k.Has&IsND != 0 }
	}
	panic(word)
}

// oracleNet looks at addresses as package net reads them.
func oracleNet(argument, side string) func(*Key, uint32) bool {
	if !strings.Contains(argument, "/") {
		argument += map[bool]string{true: "/128", false: "/32"}[strings.Contains(argument, ":")]
	}
	_, prefix, err := net.ParseCIDR(argument)
	if err != nil {
		panic(err)
	}
	has, n := HasIPv4, 4
	if len(prefix.IP) == 16 {
		has, n = HasIPv6, 16
	}
	// Contains takes an IPv4 address of 16 bytes for one of 4; so it is asked with those that
	// the packet has.
	contains := func(a []byte) bool { return prefix.Contains(net.IP(a[:n])) }
	return func(k *Key, _ uint32) bool {
		return k.Has&has != 0 && (side != "dst" && contains(k.Source[:]) || side != "src" && contains(k.Destination[:]))
	}
}

func oraclePorts(low, high int, side string) func(*Key, uint32) bool {
	in := func(port uint16) bool { return int(port) >= low && int(port) <= high }
	return func(k *Key, _ uint32) bool {
		return k.Has&HasPorts != 0 && (side != "dst" && in(k.SourcePort) || side != "src" && in(k.DestinationPort))
	}
}

// pick returns one of the elements.
func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

// Values from which random matches and keys choose, few so that they meet.
var (
	somePorts   = []uint16{0, 53, 80, 443, 1000, 1001, 1002, 1003, 65535}
	someIPv4    = []string{"10.0.0.1", "10.0.0.2", "10.0.1.1", "192.168.0.1"}
	someIPv6    = []string{"fd00::1", "fd00::2", "fd00:0:0:1::1", "fe80::1"}
	someNets    = []string{"10.0.0.0/8", "10.0.0.0/24", "10.0.0.0/31", "0.0.0.0/0", "128.0.0.0/1", "fd00::/8", "fd00::/64", "fd00::/127", "::/0", "fe80::/10"}
	someMACs    = []string{"02:00:00:00:00:01", "02:00:00:00:00:02", "ff:ff:ff:ff:ff:ff"}
	someLengths = []uint32{0, 14, 60, 61, 100, 1000, 1400, 1514}
)

// randomMatch returns the words of a match, which may be one that no packet fits.
func randomMatch(rng *rand.Rand) (words []string) {
	if rng.IntN(20) == 0 {
		return []string{"any"}
	}
	for i := range 1 + rng.IntN(4) {
		if i > 0 && rng.IntN(4) == 0 {
			words = append(words, "and")
		}
		words = append(words, strings.Fields(randomPart(rng))...)
	}
	return words
}

// randomPart returns one part of a match.
func randomPart(rng *rand.Rand) string {
	side := pick(rng, "", "", "src ", "dst ")
	port := func() string { return strconv.Itoa(int(pick(rng, somePorts...))) }
	switch rng.IntN(12) {
	case 0, 1:
		return pick(rng, "ip", "ip6", "arp", "tcp", "tcp", "udp", "sctp", "icmp", "icmp6", "nd", "proto 47", "proto 6", "proto 1")
	case 2:
		return pick(rng, "syn", "fin", "rst", "ack")
	case 3:
		return "dscp " + pick(rng, "0", "1", "46")
	case 4:
		return pick(rng, "vlan", "vlan 0", "vlan 7")
	case 5:
		return "ether " + pick(rng, side+"host "+pick(rng, someMACs...), "proto "+pick(rng, "0x800", "0x88cc", "34525"))
	case 6:
		return side + "host " + pick(rng, pick(rng, someIPv4...), pick(rng, someIPv6...))
	case 7:
		return side + "net " + pick(rng, someNets...)
	case 8, 9:
		return side + "port " + port()
	case 10:
		return side + "portrange " + pick(rng, "0-65535", "53-80", "1000-1002", "1001-1003", "443-65535")
	}
	return pick(rng, "greater ", "less ") + strconv.Itoa(int(pick(rng, someLengths...)))
}

// randomKey returns the key of a possible packet and its length.
func randomKey(rng *rand.Rand) (k Key, length uint32) {
	mac := func() [6]byte { m, _ := net.ParseMAC(pick(rng, someMACs...)); return [6]byte(m) }
	k.SourceMAC, k.DestinationMAC = mac(), mac()
	if rng.IntN(3) == 0 {
		k.VLAN = Tagged | pick[uint16](rng, 0, 7, 8)
	}
	k.EtherType = pick[uint16](rng, 0x800, 0x800, 0x86dd, 0x86dd, 0x806, 0x88cc, 0)
	length = max(14, pick(rng, someLengths...)+pick[uint32](rng, 0, 1)-pick[uint32](rng, 0, 1))
	addresses := func(has Has, some []string, n int) {
		k.Has |= has
		copy(k.Source[:], net.ParseIP(pick(rng, some...))[16-n:])
		copy(k.Destination[:], net.ParseIP(pick(rng, some...))[16-n:])
	}
	whole := rng.IntN(10) > 0 // or cut short
	switch {
	case !whole:
		return k, length
	case k.EtherType == 0x806:
		addresses(HasIPv4, someIPv4, 4)
		return k, length
	case k.EtherType == 0x800:
		addresses(HasIPv4, someIPv4, 4)
	case k.EtherType == 0x86dd:
		addresses(HasIPv6, someIPv6, 16)
	default:
		return k, length
	}
	k.Has, k.DSCP = k.Has|HasDSCP, pick[uint8](rng, 0, 0, 1, 46, 63)
	if rng.IntN(10) > 0 {
		k.Has, k.Protocol = k.Has|HasProtocol, pick[uint8](rng, 6, 6, 6, 17, 17, 132, 1, 58, 47, 0)
		randomTransport(rng, &k)
	}
	return k, length
}

// randomTransport sets the fields of the transport header, unless the packet is a fragment.
func randomTransport(rng *rand.Rand, k *Key) {
	if rng.IntN(10) == 0 {
		return
	}
	switch k.Protocol {
	case 6, 17, 132:
		k.Has |= HasPorts
		k.SourcePort, k.DestinationPort = pick(rng, somePorts...), pick(rng, somePorts...)
		if k.Protocol == 6 {
			k.Flags = Flags(rng.Uint32()) & KnownFlags
		}
	case 58:
		if k.EtherType == 0x86dd && rng.IntN(2) == 0 {
			k.Has |= IsND
		}
	}
}
