package host

import (
	"encoding/binary"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A storm of events overflows a netlink socket, and events are lost. What was lost can be
// read again, with two exceptions: that the interface of the device was down or without IPv6
// for a moment, and who has removed a route, somebody or the kernel. So there are two subscriptions, and
// each event goes to one of them, by a filter in the kernel. Events about the device itself
// are few, and have a socket that no storm reaches.

// Offsets in a message: struct nlmsghdr, and behind it struct ifinfomsg or struct rtmsg.
const (
	offType     = 4
	offBits     = unix.SizeofNlMsghdr + 1
	offTable    = unix.SizeofNlMsghdr + 4
	offProtocol = unix.SizeofNlMsghdr + 5
	offIndex    = unix.SizeofNlMsghdr + 4
)

// splitFilter passes the events about the link with this index, and about deleted routes that
// are of the device or to all multicast groups, if own is true, and all others if it is false.
func splitFilter(index int, own bool) ([]bpf.RawInstruction, error) {
	accept, refuse := uint32(0), uint32(1<<16)
	if own {
		accept, refuse = refuse, accept
	}
	return bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: offType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: inOrder16(unix.RTM_NEWLINK), SkipTrue: 8},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: inOrder16(unix.RTM_DELLINK), SkipTrue: 7},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: inOrder16(unix.RTM_DELROUTE), SkipFalse: 9},
		bpf.LoadAbsolute{Off: offProtocol, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: routeProtocol, SkipTrue: 6},
		bpf.LoadAbsolute{Off: offTable, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.RT_TABLE_LOCAL, SkipFalse: 5},
		bpf.LoadAbsolute{Off: offBits, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(multicast.Bits()), SkipTrue: 2, SkipFalse: 3},
		bpf.LoadAbsolute{Off: offIndex, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: inOrder32(uint32(index)), SkipFalse: 1},
		bpf.RetConstant{Val: accept},
		bpf.RetConstant{Val: refuse},
	})
}

// inOrder16 returns a number of the host's byte order as a filter loads it: as if it were of
// the network's.
func inOrder16(n uint16) uint32 {
	return uint32(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, n)))
}

// inOrder32 is inOrder16 for four bytes.
func inOrder32(n uint32) uint32 {
	return binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, n))
}

// subscribe opens a socket for all of watchGroups. With an index other than 0 it gets one
// of the two parts into which splitFilter divides the events. The filter is in place before
// the first event.
func subscribe(index int, own bool) (*nl.NetlinkSocket, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("subscribe to changes of the network: %w", err)
	}
	if err := join(socket.GetFd(), index, own); err != nil {
		socket.Close()
		return nil, fmt.Errorf("subscribe to changes of the network: %w", err)
	}
	return socket, nil
}

func join(fd, index int, own bool) error {
	if index != 0 {
		program, err := splitFilter(index, own)
		if err != nil {
			return err
		}
		list := make([]unix.SockFilter, len(program))
		for i, p := range program {
			list[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
		}
		err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(list)), Filter: &list[0]})
		if err != nil {
			return err
		}
	}
	for _, group := range watchGroups {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(group)); err != nil {
			return err
		}
	}
	return nil
}
