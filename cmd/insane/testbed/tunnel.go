package testbed

import (
	"encoding/binary"
	"math/bits"
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

// network is a 16-bit number in network byte order, as programs load it.
func network(n uint16) int32 {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		n = bits.ReverseBytes16(n)
	}
	return int32(n)
}

// only begins a program: R6 is the packet. Packets of another Ethernet type pass.
func only(kind uint16) asm.Instructions {
	const protocol = 16 // its offset in struct __sk_buff
	return asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R2, asm.R6, protocol, asm.Word),
		asm.JNE.Imm(asm.R2, network(kind), "next"),
	}
}

// ends ends a program. A call that fails drops the packet.
func ends() asm.Instructions {
	const next, drop = -1, 2
	return asm.Instructions{
		asm.Mov.Imm(asm.R0, next).WithSymbol("next"), asm.Return(),
		asm.Mov.Imm(asm.R0, drop).WithSymbol("drop"), asm.Return(),
	}
}

// room calls bpf_skb_adjust_room.
func room(bytes int, flags uint64) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Imm(asm.R2, int32(bytes)), asm.Mov.Imm(asm.R3, roomMAC),
		asm.LoadImm(asm.R4, int64(flags), asm.DWord), asm.FnSkbAdjustRoom.Call(),
		asm.JNE.Imm(asm.R0, 0, "drop"),
	}
}

// store writes bytes of the stack, which begin at an offset of it, to an offset of the packet.
func store(at int, stack int16, n int) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Imm(asm.R2, int32(at)),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, int32(stack)),
		asm.Mov.Imm(asm.R4, int32(n)), asm.Mov.Imm(asm.R5, 0), asm.FnSkbStoreBytes.Call(),
		asm.JNE.Imm(asm.R0, 0, "drop"),
	}
}

// enter is the program that puts the header in front of a packet.
func (u Tunnel) enter() asm.Instructions {
	const stack = -256
	h := u.header()
	flags := uint64(keepSize | encap4)
	ip, lengthAt, short := 20, 2, 0
	if u.Outer == 6 {
		flags = keepSize | encap6
		ip, lengthAt, short = 40, 4, 40
	}
	switch u.Protocol {
	case unix.IPPROTO_GRE:
		flags |= encapGRE
	case unix.IPPROTO_UDP:
		flags |= encapUDP
	}
	if u.Ethernet {
		flags |= encapEther | etherLen<<encapL2Shift
	}
	code := append(only(etherType(u.Inner)), room(len(h), flags)...)
	for i := 0; i < len(h); i += 8 {
		var word [8]byte
		copy(word[:], h[i:])
		code = append(code, asm.LoadImm(asm.R2, int64(binary.NativeEndian.Uint64(word[:])), asm.DWord),
			asm.StoreMem(asm.RFP, stack+int16(i), asm.R2, asm.DWord))
	}
	// What is in front of the field's packet does not count in its length.
	length := func(at, without int) asm.Instructions {
		return asm.Instructions{
			asm.LoadMem(asm.R2, asm.R6, 0, asm.Word), asm.Sub.Imm(asm.R2, int32(etherLen+without)),
			asm.HostTo(asm.BE, asm.R2, asm.Half), asm.StoreMem(asm.RFP, stack+int16(at), asm.R2, asm.Half),
		}
	}
	code = append(code, length(lengthAt, short)...)
	if u.Protocol == unix.IPPROTO_UDP {
		code = append(code, length(ip+4, ip)...)
	}
	code = append(code, store(etherLen, stack, len(h))...)
	code = append(code, asm.StoreImm(asm.RFP, -8, int64(network(etherType(u.Outer))), asm.Half))
	return append(append(code, store(etherLen-2, -8, 2)...), ends()...)
}

// leave is the program that takes the header away.
func (u Tunnel) leave() asm.Instructions {
	flags := uint64(keepSize)
	if u.Inner != u.Outer {
		flags |= map[int]uint64{4: decap4, 6: decap6}[u.Inner]
	}
	// The Ethernet type would go with the header.
	code := append(only(etherType(u.Outer)), room(-len(u.header()), flags)...)
	code = append(code, asm.StoreImm(asm.RFP, -8, int64(network(etherType(u.Inner))), asm.Half))
	return append(append(code, store(etherLen-2, -8, 2)...), ends()...)
}

// push is the program that adds the tags, and pop the one that takes them away.
func (u Tunnel) push() asm.Instructions {
	code := only(etherType(u.Inner))
	for i, kind := range u.Tags {
		code = append(code, asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Imm(asm.R2, network(uint16(kind))),
			asm.Mov.Imm(asm.R3, int32(100+i)), asm.FnSkbVlanPush.Call(), asm.JNE.Imm(asm.R0, 0, "drop"))
	}
	return append(code, ends()...)
}

func (u Tunnel) pop() asm.Instructions {
	const present = 20 // the offset of vlan_present in struct __sk_buff
	code := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R2, asm.R6, present, asm.Word), asm.JEq.Imm(asm.R2, 0, "next"),
	}
	for range u.Tags {
		code = append(code, asm.Mov.Reg(asm.R1, asm.R6), asm.FnSkbVlanPop.Call(), asm.JNE.Imm(asm.R0, 0, "drop"))
	}
	return append(code, ends()...)
}
