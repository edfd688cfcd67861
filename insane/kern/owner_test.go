package kern

import (
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

const etherExperiment = 0x88b5 // IEEE 802, for experiments

func network(text string) netip.Prefix { return netip.MustParsePrefix(text) }

// The host of the cases: the device has a network, one routed host in the slave's
// network, and a gateway there.
const (
	own4, own6           = "10.9.0.1", "fd00:9::1"
	mate4, mate6         = "10.9.0.2", "fd00:9::2"       // in the device's network
	elsewhere4           = "10.9.0.77"                   // in the device's network, but routed elsewhere
	routed4, routed6     = "192.0.2.7", "2001:db8::7"    // a routed host
	host4                = "192.0.2.1"                   // the slave's address
	plain4, plain6       = "192.0.2.8", "2001:db8::8"    // a host that is not routed through the device
	gateway4, gateway6   = "192.0.2.254", "2001:db8::fe" // of a route through the device
	proxied4             = "203.0.113.9"                 // a host behind another link, for which this one answers
	routedProxied4       = "192.0.2.10"                  // a routed host, for which it would answer as well
	group4, group6       = "224.0.0.251", "ff02::fb"
	everybody4, nobody4  = "255.255.255.255", "0.0.0.0"
	nodeLocal, nodeOwn   = "fe80::8", "fe80::9" // nodeOwn is the device's
	solicited, allRouter = "ff02::1:ff00:1", "ff02::2"
)

var hostClaims = Claims{
	network("10.9.0.0/24"): Routed | Subnet, network(own4 + "/32"): Own | Routed | Subnet, network(elsewhere4 + "/32"): 0,
	network("fd00:9::/64"): Routed | Subnet, network(own6 + "/128"): Own | Routed | Subnet,
	network(routed4 + "/32"): Routed, network(routed6 + "/128"): Routed,
	network(proxied4 + "/32"): Proxied, network(routedProxied4 + "/32"): Routed | Proxied,
	network(host4 + "/32"): Host, network(nodeOwn + "/128"): Own,
}

// ownerCase is a frame and its owner.
type ownerCase struct {
	what      string
	to        towards
	etherType uint16
	body      []byte
	tag       []byte // VLAN tags in front of etherType
	want      owner
}

func ownerCases() []ownerCase {
	return slices.Concat(arpCases(), ipv4Cases(), ipv6Cases(), ndCases(), listenerCases(), oddCases())
}

// caseOf fills in the EtherType by itself.
func caseOf(what string, to towards, body []byte, want owner) ownerCase {
	c := ownerCase{what: what, to: to, etherType: unix.ETH_P_ARP, body: body, want: want}
	switch {
	case len(body) > 0 && body[0]>>4 == 4:
		c.etherType = unix.ETH_P_IP
	case len(body) > 0 && body[0]>>4 == 6:
		c.etherType = unix.ETH_P_IPV6
	}
	return c
}

func arpCases() []ownerCase {
	const request, reply, reverse = 1, 2, 3
	noEthernet := arp(request, mate4, own4)
	noEthernet[4] = 8
	noIPv4 := arp(request, mate4, own4)
	noIPv4[2], noIPv4[3] = 0x86, 0xdd
	return []ownerCase{
		caseOf("request for the device", toAll, arp(request, mate4, own4), device),
		caseOf("request for the device from anybody", toAll, arp(request, plain4, own4), device),
		caseOf("request for the device, unicast", toHost, arp(request, plain4, own4), device),
		caseOf("request for the device, by way of a bridge", toOther, arp(request, plain4, own4), device),
		caseOf("probe for the device's address", toAll, arp(request, nobody4, own4), device),
		caseOf("request for the slave", toAll, arp(request, plain4, host4), slave),
		caseOf("request for the slave from a routed host", toAll, arp(request, routed4, host4), device),
		caseOf("request for the slave from the device's network", toAll, arp(request, mate4, host4), device),
		caseOf("request for another host from a routed one", toAll, arp(request, routed4, plain4), slave),
		caseOf("request among others", toAll, arp(request, plain4, "192.0.2.9"), slave),
		caseOf("request for the slave among others", toOther, arp(request, routed4, host4), slave),
		caseOf("probe for a routed address", toAll, arp(request, nobody4, routed4), slave),
		caseOf("announcement by a routed host", toAll, arp(request, routed4, routed4), both),
		caseOf("announcement by the gateway", toAll, arp(request, gateway4, gateway4), both),
		caseOf("announcement by another", toAll, arp(request, plain4, plain4), both),
		caseOf("request for an address by proxy", toAll, arp(request, plain4, proxied4), slave),
		caseOf("request for an address by proxy from a routed host", toAll, arp(request, routed4, proxied4), device),
		caseOf("request for a routed host that has a proxy", toAll, arp(request, plain4, routedProxied4), device),
		caseOf("probe for a routed host that has a proxy", toAll, arp(request, nobody4, routedProxied4), device),
		caseOf("request for an address by proxy, for others", toOther, arp(request, routed4, proxied4), slave),
		caseOf("announcement of the device's address", toAll, arp(request, own4, own4), device),
		caseOf("reply to the device", toHost, arp(reply, mate4, own4), device),
		caseOf("reply of a routed host to the slave", toHost, arp(reply, routed4, host4), both),
		caseOf("reply of the gateway to the slave", toHost, arp(reply, gateway4, host4), both),
		caseOf("reply to the slave", toHost, arp(reply, plain4, host4), both),
		caseOf("reply of a routed host to another", toOther, arp(reply, routed4, plain4), slave),
		caseOf("gratuitous reply of a routed host", toAll, arp(reply, routed4, routed4), both),
		caseOf("reverse request of a routed host", toAll, arp(reverse, routed4, host4), slave),
		caseOf("addresses that are not of Ethernet", toAll, noEthernet, slave),
		caseOf("addresses that are not of IPv4", toAll, noIPv4, slave),
		caseOf("one byte short", toAll, arp(request, mate4, own4)[:27], slave),
		caseOf("with padding", toAll, append(arp(request, mate4, own4), make([]byte, 18)...), device),
	}
}

func ipv4Cases() []ownerCase {
	fragment := udp4(routed4, host4)
	fragment[6], fragment[7] = 0x20, 0x10
	return []ownerCase{
		caseOf("to the device", toHost, udp4(plain4, own4), device),
		caseOf("to the device by way of a bridge", toOther, udp4(plain4, own4), device),
		caseOf("to the device, broadcast", toAll, udp4(plain4, own4), device),
		caseOf("from a routed host", toHost, udp4(routed4, host4), device),
		caseOf("from a routed host through this one", toHost, udp4(routed4, "203.0.113.1"), device),
		caseOf("from the device's network", toHost, udp4(mate4, host4), device),
		caseOf("from the device's network, but routed elsewhere", toHost, udp4(elsewhere4, host4), slave),
		caseOf("from a gateway itself", toHost, udp4(gateway4, host4), slave),
		caseOf("from a routed host to another", toOther, udp4(routed4, plain4), slave),
		caseOf("between others", toHost, udp4(plain4, host4), slave),
		caseOf("broadcast in the device's network", toAll, udp4(mate4, "10.9.0.255"), device),
		caseOf("broadcast in the slave's network by a routed host", toAll, udp4(routed4, "192.0.2.255"), slave),
		caseOf("broadcast by nobody yet", toAll, udp4(nobody4, everybody4), slave),
		caseOf("group in the device's network", toGroup, udp4(mate4, group4), device),
		caseOf("group from elsewhere", toGroup, udp4(elsewhere4, group4), slave),
		caseOf("group from a routed host", toGroup, udp4(routed4, group4), slave),
		caseOf("fragment from a routed host", toHost, fragment, device),
		caseOf("header alone", toHost, udp4(routed4, host4)[:20], device),
		caseOf("one byte short", toHost, udp4(plain4, own4)[:19], slave),
	}
}

func ipv6Cases() []ownerCase {
	return []ownerCase{
		caseOf("to the device", toHost, udp6(plain6, own6), device),
		caseOf("to the device by way of a bridge", toOther, udp6(plain6, own6), device),
		caseOf("to the device's link-local address", toHost, udp6(nodeLocal, nodeOwn), device),
		caseOf("from a routed host", toHost, udp6(routed6, plain6), device),
		caseOf("from the device's network", toHost, udp6(mate6, plain6), device),
		caseOf("from a routed host to another", toOther, udp6(routed6, plain6), slave),
		caseOf("between others", toHost, udp6(plain6, "2001:db8::1"), slave),
		caseOf("link-local", toHost, udp6(nodeLocal, "fe80::1"), slave),
		caseOf("group in the device's network", toGroup, udp6(mate6, group6), device),
		caseOf("group from a routed host", toGroup, udp6(routed6, group6), slave),
		caseOf("group, link-local", toGroup, udp6(nodeLocal, group6), slave),
		caseOf("fragment from a routed host", toHost, ipv6(routed6, plain6, 44, make([]byte, 16)), device),
		caseOf("options in front of the payload", toHost,
			ipv6(routed6, plain6, 0, append(routerAlert(unix.IPPROTO_UDP), someUDP...)), device),
		caseOf("options without end", toHost, ipv6(plain6, own6, 0, []byte{58, 255, 0}), device),
		caseOf("echo to the device", toHost, nd(plain6, own6, echoRequest, "::"), device),
		caseOf("echo to the slave", toHost, nd(plain6, plain6, echoRequest, own6), slave),
		caseOf("ICMPv6 without a type", toHost, ipv6(routed6, plain6, 58, nil), device),
		caseOf("one byte short", toHost, udp6(plain6, own6)[:39], slave),
	}
}

func ndCases() []ownerCase {
	return []ownerCase{
		caseOf("solicitation of the device", toGroup, nd(plain6, solicited, solicitation, own6), device),
		caseOf("solicitation of the device by way of a bridge", toOther, nd(plain6, own6, solicitation, own6), device),
		caseOf("probe for the device's address", toGroup, nd("::", solicited, solicitation, own6), device),
		caseOf("solicitation of the device's link-local address", toGroup, nd(nodeLocal, solicited, solicitation, nodeOwn), device),
		caseOf("solicitation of the slave by a routed host", toGroup, nd(routed6, solicited, solicitation, plain6), slave),
		caseOf("solicitation of the slave in the device's network", toGroup, nd(mate6, solicited, solicitation, plain6), slave),
		caseOf("advertisement to the device", toHost, nd(plain6, own6, advertisement, plain6), device),
		caseOf("advertisement of the device's own address", toGroup, nd(plain6, "ff02::1", advertisement, own6), device),
		caseOf("advertisement of a routed host to the slave", toHost, nd(routed6, plain6, advertisement, routed6), both),
		caseOf("advertisement of the gateway to the slave", toHost, nd(gateway6, plain6, advertisement, gateway6), both),
		caseOf("advertisement of a routed host to all", toGroup, nd(nodeLocal, "ff02::1", advertisement, routed6), both),
		caseOf("advertisement of a routed host to another", toOther, nd(routed6, plain6, advertisement, routed6), slave),
		caseOf("advertisement of another", toHost, nd(routed6, plain6, advertisement, plain6), both),
		caseOf("solicitation behind options", toGroup,
			ipv6(plain6, solicited, 0, append(routerAlert(58), icmpv6(solicitation, own6)...)), device),
		caseOf("solicitation one byte short", toGroup, nd(plain6, solicited, solicitation, own6)[:63], slave),
		caseOf("advertisement one byte short", toHost, nd(routed6, plain6, advertisement, plain6)[:63], device),
		caseOf("solicitation that is UDP", toGroup, ipv6(plain6, solicited, unix.IPPROTO_UDP, icmpv6(solicitation, own6)), slave),
		caseOf("router's solicitation in the device's network", toGroup, nd(mate6, allRouter, 133, own6), device),
	}
}

func listenerCases() []ownerCase {
	return []ownerCase{
		caseOf("IGMP query in the slave's network", toGroup, igmp(plain4, "224.0.0.1", []byte{0x94, 4, 0, 0}), both),
		caseOf("IGMP query without options", toGroup, igmp(plain4, "224.0.0.1", nil), both),
		caseOf("IGMP query by nobody", toGroup, igmp(nobody4, "224.0.0.1", nil), both),
		caseOf("IGMP query in the device's network", toGroup, igmp(mate4, "224.0.0.1", nil), both),
		caseOf("IGMP query to the device", toHost, igmp(plain4, own4, nil), device),
		caseOf("IGMP query to another", toOther, igmp(plain4, "224.0.0.1", nil), slave),
		caseOf("IGMP report", toGroup, ipv4(plain4, group4, unix.IPPROTO_IGMP, nil, []byte{0x16, 0, 0, 0}), slave),
		caseOf("IGMP cut short", toGroup, igmp(plain4, "224.0.0.1", nil)[:20], slave),
		caseOf("IGMP whose header is said to be longer", toGroup, func() []byte {
			b := igmp(plain4, "224.0.0.1", nil)
			b[0] = 0x4f
			return b
		}(), slave),
		caseOf("listener query", toGroup, listen(nodeLocal, "ff02::1"), both),
		caseOf("listener query in the device's network", toGroup, listen(mate6, "ff02::1"), both),
		caseOf("listener query without router alert", toGroup, nd(nodeLocal, "ff02::1", listenerQuery, "::"), both),
		caseOf("listener query to the device", toHost, listen(nodeLocal, own6), device),
		caseOf("listener query to another", toOther, listen(nodeLocal, plain6), slave),
		caseOf("listener report", toGroup, nd(nodeLocal, "ff02::16", 143, "::"), slave),
	}
}

// oddCases are neither ARP nor IP, or bear a tag.
func oddCases() []ownerCase {
	toDevice := udp4(plain4, own4)
	tagged := func(what string, want owner, tag ...byte) ownerCase {
		c := caseOf(what, toHost, toDevice, want)
		c.tag = tag
		return c
	}
	return []ownerCase{
		{what: "something else", to: toHost, etherType: etherExperiment, body: toDevice, want: slave},
		{what: "IPv4 said to be ARP", to: toHost, etherType: unix.ETH_P_ARP, body: toDevice, want: slave},
		{what: "LLC", to: toGroup, etherType: 38, body: make([]byte, 38), want: slave},
		{what: "nothing behind the header", to: toHost, etherType: unix.ETH_P_IP, want: slave},
		tagged("to the device in VLAN 7", slave, 0x81, 0, 0, 7),
		tagged("to the device in VLAN 4095 with priority", slave, 0x81, 0, 0xef, 0xff),
		tagged("to the device in an 802.1ad VLAN", slave, 0x88, 0xa8, 0, 7),
		tagged("to the device with priority", device, 0x81, 0, 0xe0, 0),
		tagged("to the device with priority around a VLAN", slave, 0x81, 0, 0xe0, 0, 0x81, 0, 0, 7),
	}
}

// The programs find the right owner in every case.
func TestOwner(t *testing.T) {
	b := newBench(t, hostClaims)
	for _, c := range ownerCases() {
		if c.tag != nil || len(c.body) == 0 { // BPF_PROG_TEST_RUN does not accept such a frame
			continue
		}
		if got := b.auto(c.to, c.etherType, c.body); got != c.want {
			t.Errorf("%#x %s: %v, want %v", c.etherType, c.what, got, c.want)
		}
		if got := b.owner(b.bpf.ReceiveAll, c.to, c.etherType, c.body); got != device {
			t.Errorf("%#x %s: %v in the mode all, want device", c.etherType, c.what, got)
		}
	}
}
