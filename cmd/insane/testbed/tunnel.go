package testbed

import (
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/lab"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
)

// Tunnel is a tunnel that eBPF programs make at two links, of whatever kind, so that the
// kernel needs no driver for it. To the kernel its super-frames are those of a driver
// (net/core/filter.c, bpf_skb_net_grow).
type Tunnel struct {
	Name         string
	Outer, Inner int    // families, 4 or 6; Outer 0: there are only VLAN tags
	Protocol     byte   // of the outer IP header
	Header       []byte // between the outer IP header and the inner frame or packet
	Ethernet     bool   // the tunnel has Ethernet frames, and not IP packets
	Tags         []int  // Ethernet types of VLAN tags, inner first
}

// Tunnels lists the kinds of tunnels, and VLANs.
func Tunnels() []Tunnel {
	const ipip, sit, gre, udp = unix.IPPROTO_IPIP, unix.IPPROTO_IPV6, unix.IPPROTO_GRE, unix.IPPROTO_UDP
	port := []byte{0xc0, 0x01, 0x12, 0xb5, 0, 0, 0, 0} // the length is filled in later
	on := func(more ...byte) []byte { return append(port[:8:8], more...) }
	return []Tunnel{
		{Name: "ipip", Outer: 4, Inner: 4, Protocol: ipip},
		{Name: "sit", Outer: 4, Inner: 6, Protocol: sit},
		{Name: "ip6tnl", Outer: 6, Inner: 4, Protocol: ipip},
		{Name: "ip6ip6", Outer: 6, Inner: 6, Protocol: sit},
		{Name: "gre", Outer: 4, Inner: 4, Protocol: gre, Header: []byte{0x20, 0, 0x08, 0x00, 0, 0, 0, 42}},
		{Name: "ip6gretap", Outer: 6, Inner: 6, Protocol: gre, Header: []byte{0, 0, 0x65, 0x58}, Ethernet: true},
		{Name: "vxlan", Outer: 4, Inner: 6, Protocol: udp, Header: on(8, 0, 0, 0, 0, 0, 42, 0), Ethernet: true},
		{Name: "geneve", Outer: 6, Inner: 4, Protocol: udp, Ethernet: true,
			Header: on(2, 0, 0x65, 0x58, 0, 0, 42, 0, 0x01, 0x02, 0x80, 1, 1, 2, 3, 4)},
		{Name: "fou", Outer: 4, Inner: 4, Protocol: udp, Header: on()},
		{Name: "vlan", Inner: 4, Tags: []int{unix.ETH_P_8021Q}},
		{Name: "qinq", Inner: 6, Tags: []int{unix.ETH_P_8021Q, unix.ETH_P_8021AD}},
	}
}

const etherLen = 14

// Overhead is how many bytes each packet of the tunnel is longer.
func (u Tunnel) Overhead() int { return len(u.header()) + 4*len(u.Tags) }

// header is all that goes between the Ethernet header and the inner packet.
func (u Tunnel) header() (h []byte) {
	switch u.Outer {
	case 4:
		h = []byte{0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, u.Protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}
	case 6:
		h = make([]byte, 40)
		h[0], h[6], h[7], h[8], h[24] = 0x60, u.Protocol, 64, 0xfd, 0xfd
	}
	h = append(h, u.Header...)
	if u.Ethernet {
		h = append(h, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1)
		h = binary.BigEndian.AppendUint16(h, etherType(u.Inner))
	}
	return h
}

func etherType(family int) uint16 {
	if family == 6 {
		return unix.ETH_P_IPV6
	}
	return unix.ETH_P_IP
}

// Flags of bpf_skb_adjust_room (uapi/linux/bpf.h).
const (
	roomMAC      = 1 // the mode
	keepSize     = 1 << 0
	encap4       = 1 << 1
	encap6       = 1 << 2
	encapGRE     = 1 << 3
	encapUDP     = 1 << 4
	encapEther   = 1 << 6
	encapL2Shift = 56
	decap4       = 1 << 7 // the inner packet is IPv4; Linux 6.4
	decap6       = 1 << 8
)

// Attach makes packets of from's family Inner enter the tunnel when they leave a link, and
// leave it when they arrive at a link of to. It ends when the test ends.
func (u Tunnel) Attach(t testing.TB, from *lab.Host, out string, to *lab.Host, in string) {
	t.Helper()
	enter, leave := u.enter(), u.leave()
	if u.Outer == 0 {
		enter, leave = u.push(), u.pop()
	}
	attach(t, to, in, ebpf.AttachTCXIngress, link.Tail(), leave)
	attach(t, from, out, ebpf.AttachTCXEgress, link.Head(), enter)
}

// attach runs a program at a link until the test ends.
func attach(t testing.TB, h *lab.Host, name string, at ebpf.AttachType, anchor link.Anchor, code asm.Instructions) {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: code})
	if err != nil {
		t.Fatalf("load program: %+v", err)
	}
	defer p.Close()
	index := labtest.LinkOf(t, h, name).Attrs().Index
	err = h.Do(func() error {
		l, err := link.AttachTCX(link.TCXOptions{Interface: index, Program: p, Attach: at, Anchor: anchor})
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return err
	})
	if err != nil {
		t.Fatalf("attach program to %s of %s: %v", name, h.Name, err)
	}
}
