package testbed

import (
	"encoding/binary"
	"math/bits"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

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
	// Bytes in front of the field's packet do not count in its length.
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
