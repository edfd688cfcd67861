package port

import (
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Filter says which of the frames that arrive at a slave the receiving socket gets. It is
// a program of classic BPF or of eBPF. The zero Filter is not valid; a socket cannot be
// opened with it.
type Filter struct {
	classic []bpf.Instruction
	program int
}

// Program returns the filter for an eBPF program of type BPF_PROG_TYPE_SOCKET_FILTER. fd
// is a descriptor of the program. A socket that has the filter holds the program, so fd
// may be closed then.
func Program(fd int) Filter { return Filter{program: fd} }

// FilterNothing returns the smallest filter. It accepts no frame.
func FilterNothing() Filter { return Filter{classic: []bpf.Instruction{bpf.RetConstant{Val: 0}}} }

// attach gives the filter to a socket and replaces the filter that the socket has.
func (f Filter) attach(fd int) error {
	if f.classic == nil {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, f.program)
	}
	raw, err := bpf.Assemble(f.classic)
	if err != nil {
		return err
	}
	prog := unix.SockFprog{Len: uint16(len(raw)), Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(raw)))}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog)
}

// Offsets in bytes into an Ethernet frame without VLAN tag, and values at these
// offsets. ARP is RFC 826, IPv6 is RFC 8200 §3, and ICMPv6 is RFC 4443 §2.1.
const (
	offEtherType     = 12
	offARPOperation  = 14 + 6
	offIPv6Next      = 14 + 6
	offIPv6HopLimit  = 14 + 7
	offICMPv6Type    = 14 + 40
	arpReply         = 2
	ndHopLimit       = 255 // RFC 4861 §6.1: anything less has crossed a router
	ndSolicitation   = 135
	ndAdvertisement  = 136
	acceptWholeFrame = 1 << 20
)

// FilterNeighbours returns the filter of a device that only transmits. It accepts the
// frames from which the host learns the MAC addresses of its neighbours:
//
//   - ARP replies. ARP requests are refused: the slave answers them for every address
//     of the host, so the device would only answer again.
//   - IPv6 neighbour advertisements and solicitations. Solicitations are accepted,
//     because IPv6 answers only on the interface that has the address.
//
// It refuses frames with a VLAN tag and frames for other hosts.
func FilterNeighbours() Filter {
	return Filter{classic: []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 15},
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OTHERHOST, SkipTrue: 13},
		bpf.LoadAbsolute{Off: offEtherType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_ARP, SkipTrue: 2},
		bpf.LoadAbsolute{Off: offARPOperation, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arpReply, SkipTrue: 8, SkipFalse: 9},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IPV6, SkipTrue: 8},
		bpf.LoadAbsolute{Off: offIPv6Next, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_ICMPV6, SkipTrue: 6},
		bpf.LoadAbsolute{Off: offIPv6HopLimit, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: ndHopLimit, SkipTrue: 4},
		bpf.LoadAbsolute{Off: offICMPv6Type, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ndSolicitation, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ndAdvertisement, SkipFalse: 1},
		bpf.RetConstant{Val: acceptWholeFrame},
		bpf.RetConstant{Val: 0},
	}}
}
