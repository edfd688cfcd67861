package owner

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestOwnerAnswersND: each neighbour solicitation for an address of borea is answered once,
// by the link that has the address.
func TestOwnerAnswersND(t *testing.T) {
	b := newOwners(t)
	ip(t, b, "route", "add", "fd00:9:0:0:b::/80", "dev", testbed.Device)
	a := newAsker(t, b, readAdvertisement)
	for _, borrowed := range []bool{false, true} {
		ip(t, b, "address", "add", "fd00:9::3/128", "dev", map[bool]string{false: lab.Link, true: testbed.Device}[borrowed])
		awaitUsable(t, b)
		for _, mode := range []string{api.ReceiveNone, api.ReceiveAuto, api.ReceiveAll} {
			t.Run(fmt.Sprintf("%s/borrowed=%v", mode, borrowed), func(t *testing.T) {
				receive(t, b, mode)
				spare := place{"a borrowed address", b.Borea.SpareIPv6, true, borrowed}
				a.ask(t, solicitations(a, mode, spare))
			})
		}
	}
}

// solicitations returns the solicitations of every sender for every target, by multicast
// and unicast, and those of duplicate address detection.
func solicitations(a *asker, mode string, spare place) (list []question) {
	for _, target := range []place{
		{"the slave's", slaveAddrs[6], true, false},
		{"insane's", ownAddrs[6], false, true},
		spare,
		{"nobody's", netip.MustParseAddr("fd00:9::77"), false, false},
	} {
		want := 0
		for _, link := range getSolicitation(mode, target) {
			if target.on(link) {
				want++
			}
		}
		add := func(who string, mac, to net.HardwareAddr, from, dst netip.Addr, key string) {
			list = append(list, question{
				name: fmt.Sprintf("%s asks %s for %s", who, to, target.name), key: key, want: want,
				frame: solicitation(to, mac, from, dst, target.addr),
			})
		}
		group, groupMAC := solicitedNode(target.addr)
		for _, who := range []struct{ name, prefix string }{
			{"another host", "fd00:9::4:%x"}, {"a routed host", "fd00:9:0:0:b::%x"}, {"a host of insane's network", "fd00:8::4:%x"},
		} {
			mac := a.stranger()
			from := netip.MustParseAddr(fmt.Sprintf(who.prefix, a.asked))
			add(who.name, mac, groupMAC, from, group, from.String())
			mac = a.stranger()
			from = netip.MustParseAddr(fmt.Sprintf(who.prefix, a.asked))
			add(who.name, mac, a.shared, from, target.addr, from.String())
		}
		add("who has no address yet", a.stranger(), groupMAC, netip.IPv6Unspecified(), group, "all for "+target.addr.String())
	}
	return list
}

// getSolicitation returns the links whose stacks get a solicitation. A device that only
// transmits gets a copy of each. So if both links have an address, both answer, with the
// same MAC address.
func getSolicitation(mode string, target place) []string {
	switch {
	case mode == api.ReceiveAll, mode == api.ReceiveAuto && target.device && !target.slave:
		return []string{testbed.Device}
	case mode == api.ReceiveAuto:
		return []string{lab.Link}
	}
	return []string{lab.Link, testbed.Device}
}

// solicitedNode returns the group for solicitations of an address (RFC 4291 section 2.7.1)
// and its MAC address (RFC 2464 section 7).
func solicitedNode(addr netip.Addr) (netip.Addr, net.HardwareAddr) {
	group := netip.MustParseAddr("ff02::1:ff00:0").As16()
	whole := addr.As16()
	copy(group[13:], whole[13:])
	return netip.AddrFrom16(group), append(net.HardwareAddr{0x33, 0x33}, group[12:]...)
}

// solicitation makes a neighbour solicitation (RFC 4861 section 4.3).
func solicitation(to, mac net.HardwareAddr, from, dst, target netip.Addr) []byte {
	message := append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, target.AsSlice()...)
	if !from.IsUnspecified() {
		message = append(append(message, 1, 1), mac...) // source link-layer address
	}
	f := append(append(append([]byte{}, to...), mac...), 0x86, 0xdd)
	return append(f, ipv6Packet(from, dst, 58, message, 2)...)
}

// ipv6Packet adds a header to a payload, and puts a checksum into the payload at an offset
// (RFC 8200 section 8.1).
func ipv6Packet(from, to netip.Addr, next byte, payload []byte, checksumAt int) []byte {
	pseudo := append(append(from.AsSlice(), to.AsSlice()...), 0, 0, byte(len(payload)>>8), byte(len(payload)), 0, 0, 0, next)
	binary.BigEndian.PutUint16(payload[checksumAt:], internetChecksum(append(pseudo, payload...)))
	header := []byte{0x60, 0, 0, 0, byte(len(payload) >> 8), byte(len(payload)), next, 255}
	return append(append(append(header, from.AsSlice()...), to.AsSlice()...), payload...)
}

// internetChecksum computes the checksum of RFC 1071.
func internetChecksum(data []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(data); i += 2 {
		word := uint32(data[i]) << 8
		if i+1 < len(data) {
			word |= uint32(data[i+1])
		}
		sum += word
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// readAdvertisement accepts neighbour advertisements as answers (RFC 4861 section 4.4). An
// answer to a unicast solicitation need not contain the link-layer address.
func readAdvertisement(f []byte) (key string, mac []byte, yes bool) {
	const options = 14 + 40 + 24
	if len(f) < options || !bytes.Equal(f[12:14], []byte{0x86, 0xdd}) || f[20] != 58 || f[54] != 136 {
		return "", nil, false
	}
	to, _ := netip.AddrFromSlice(f[38:54])
	target, _ := netip.AddrFromSlice(f[62:78])
	if key = to.String(); to.IsMulticast() {
		key = "all for " + target.String()
	}
	if len(f) < options+8 {
		return key, f[6:12], true
	}
	return key, f[options+2:][:6], true
}
