package port

import (
	"net"
	"slices"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// extensionsLen is the number of instructions at the beginning of FilterNeighbours that
// ask for values beside the bytes of a frame. The virtual machine of x/net/bpf does not
// know these values, so it runs the instructions behind them only.
const extensionsLen = 4

// filterCase is a frame and whether the filter must accept it.
type filterCase struct {
	what   string
	frame  frame.Frame
	accept bool
	beside bool // the decision depends on what is not in the bytes
}

// filterCases returns frames for a device whose slave has the MAC address mac. The number
// of each frame is its index.
func filterCases(mac net.HardwareAddr) (cases []filterCase) {
	add := func(what string, accept bool, make func(number int) frame.Frame) {
		cases = append(cases, filterCase{what: what, accept: accept, frame: make(len(cases))})
	}
	addARP := func(what string, accept bool, to net.HardwareAddr, operation byte) {
		add(what, accept, func(n int) frame.Frame { return arp(to, n, operation) })
	}
	addIPv6 := func(what string, accept bool, to net.HardwareAddr, kind, hopLimit byte) {
		add(what, accept, func(n int) frame.Frame { return icmpv6(to, n, kind, hopLimit) })
	}
	addARP("ARP request", false, macBroadcast, 1)
	addARP("ARP reply", true, mac, 2)
	addARP("gratuitous ARP reply", true, macBroadcast, 2)
	addARP("reverse ARP reply", false, mac, 4)
	addIPv6("neighbour solicitation", true, macMulticast, 135, 255)
	addIPv6("neighbour solicitation for the slave", true, mac, 135, 255)
	addIPv6("neighbour advertisement", true, mac, 136, 255)
	addIPv6("neighbour advertisement to all", true, macMulticast, 136, 255)
	addIPv6("neighbour advertisement from afar", false, mac, 136, 64)
	addIPv6("neighbour solicitation from one hop away", false, macMulticast, 135, 254)
	addIPv6("router solicitation", false, macMulticast, 133, 255)
	addIPv6("router advertisement", false, macMulticast, 134, 255)
	addIPv6("redirect", false, mac, 137, 255)
	addIPv6("echo request", false, mac, 128, 255)
	addIPv6("echo reply", false, mac, 129, 255)
	add("UDP over IPv6 whose bytes look like an advertisement", false, func(n int) frame.Frame {
		f := icmpv6(mac, n, 136, 255)
		f[frame.HeaderLen+offIPv6Next] = 17
		return f
	})
	add("IPv4", false, func(n int) frame.Frame { return packet(mac, n, 0x0800, make([]byte, 60)) })
	add("something else", false, func(n int) frame.Frame { return packet(mac, n, 0x88b5, make([]byte, 60)) })
	for what, length := range map[string]int{"ARP": 14, "ARP reply without its operation": 21} {
		add("truncated: "+what, false, func(n int) frame.Frame { return arp(mac, n, 2)[:frame.HeaderLen+length] })
	}
	for what, length := range map[string]int{"IPv6": 14, "ICMPv6": 20, "hop limit": 21, "type": 54} {
		add("truncated: IPv6 before its "+what, false, func(n int) frame.Frame {
			return icmpv6(mac, n, 136, 255)[:frame.HeaderLen+length]
		})
	}
	return append(cases, besideCases(len(cases), mac)...)
}

// besideCases returns frames whose bytes alone would be accepted, and which are refused
// for what the kernel notes beside the bytes. Their numbers begin with first.
func besideCases(first int, mac net.HardwareAddr) (cases []filterCase) {
	for _, make := range []func(int) (string, frame.Frame){
		func(n int) (string, frame.Frame) { return "ARP reply for another host", arp(macOther, n, 2) },
		func(n int) (string, frame.Frame) {
			return "advertisement for another host", icmpv6(macOther, n, 136, 255)
		},
		func(n int) (string, frame.Frame) { return "ARP reply in VLAN 7", tagged(arp(mac, n, 2), 7) },
		func(n int) (string, frame.Frame) { return "ARP reply with a priority", tagged(arp(mac, n, 2), 0) },
		func(n int) (string, frame.Frame) {
			return "advertisement in VLAN 7", tagged(icmpv6(mac, n, 136, 255), 7)
		},
	} {
		what, f := make(first + len(cases))
		cases = append(cases, filterCase{what: what, frame: f, beside: true})
	}
	return cases
}

// The filter's decisions that depend on bytes alone are right in a virtual machine.
func TestFilterNeighboursInMachine(t *testing.T) {
	for i, instruction := range FilterNeighbours().classic {
		_, asks := instruction.(bpf.LoadExtension)
		if asks && i >= extensionsLen {
			t.Fatalf("instruction %d asks the kernel: this test begins behind the first %d", i, extensionsLen)
		}
	}
	machine, err := bpf.NewVM(FilterNeighbours().classic[extensionsLen:])
	must(t, err)
	for _, c := range filterCases(from(200)) {
		if c.beside {
			continue
		}
		n, err := machine.Run(c.frame[frame.HeaderLen:])
		if err != nil || (n > 0) != c.accept {
			t.Errorf("%s: %d bytes accepted (%v), want accepted: %v", c.what, n, err, c.accept)
		}
		if c.accept && n < frame.MaxLen {
			t.Errorf("%s: %d bytes accepted, which cuts the longest frame", c.what, n)
		}
	}
}

// All decisions of the filter are right on a real socket.
func TestFilterNeighboursInKernel(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	near := openSlave(t, l, "near", FilterNeighbours())
	far := openSlave(t, l, "far", acceptNone)
	cases := filterCases(linkOf(t, l, "near").MAC)
	var want []int
	for number, c := range cases {
		send(t, far, c.frame)
		if c.accept {
			want = append(want, number)
		}
	}
	const last = 255
	send(t, far, reply(last))
	got := numbers(readUntil(t, near, last))
	if got = got[:len(got)-1]; slices.Equal(got, want) {
		return
	}
	for number, c := range cases {
		if slices.Contains(got, number) != c.accept {
			t.Errorf("%s: accepted: %v, want %v", c.what, !c.accept, c.accept)
		}
	}
	t.Errorf("got %v, want %v", got, want)
}
