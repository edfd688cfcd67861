package witness

import (
	"encoding/binary"
	"errors"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/policy/match"
)

// socket is a packet socket that sees what a link receives and sends.
type socket struct {
	fd        int
	hears     Place
	sends     Place
	see       func(Sight)
	dropped   atomic.Uint64
	unread    atomic.Uint64
	realtime  int64 // minus CLOCK_MONOTONIC
	nextClock int64 // when to compare the clocks again
}

const (
	buffer     = 256 << 20 // bytes of frames that wait for the witness
	vnetLen    = 10        // of the virtio header in front of each frame
	longest    = 1<<18 + vnetLen
	compareFor = 1_000_000_000 // ns between two comparisons of the clocks
)

// Of a large super-frame of TCP, its headers say all that is needed to know its packets again. Such
// frames are shortened, as to copy them would take most of the time.
const (
	large = 9216 // bytes of a frame that is large
	short = 256  // bytes that are left of it
)

// shorten is the filter of a packet socket that does that. It is of classic BPF, and sees a frame
// from its Ethernet header on.
var shorten = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 12},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.ETH_P_IP, Jf: 2},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 23},
	{Code: unix.BPF_JMP | unix.BPF_JA, K: 2},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.ETH_P_IPV6, Jf: 5},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 20},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_TCP, Jf: 3},
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_LEN},
	{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: large, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: short},
	{Code: unix.BPF_RET | unix.BPF_K, K: longest},
}

// openSocket opens a packet socket for all frames of a link.
func openSocket(index int, hears, sends Place, see func(Sight)) (*socket, error) {
	const doing = "open packet socket"
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, lacking("CAP_NET_RAW", doing, err)
	}
	s := &socket{fd: fd, hears: hears, sends: sends, see: see}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer); err != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer) // as much as is allowed
	}
	wait := unix.NsecToTimeval(tick.Nanoseconds())
	err = errors.Join(
		unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(shorten)), Filter: &shorten[0]}),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: index}),
	)
	if err != nil {
		s.close()
		return nil, lacking("CAP_NET_RAW", doing, err)
	}
	return s, nil
}

// bigEndian returns a number whose bytes are those of n in the order of the network.
func bigEndian(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

// read implements source.
func (s *socket) read(ended *atomic.Bool) {
	frame, control := make([]byte, longest), make([]byte, 256)
	for {
		last := ended.Load()
		n, oobn, flags, from, err := unix.Recvmsg(s.fd, frame, control, unix.MSG_TRUNC)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			if last {
				return
			}
		case err == unix.ENETDOWN: // a link that is down or gone sends nothing
			if last {
				return
			}
		case err != nil:
			// A super-frame that the virtio header has no word for.
			s.unread.Add(1)
		case n > len(frame) || flags&unix.MSG_CTRUNC != 0 || n < vnetLen:
			s.unread.Add(1)
		default:
			s.seen(frame[:n], control[:oobn], from)
		}
	}
}

// seen passes a frame on.
func (s *socket) seen(b, control []byte, from unix.Sockaddr) {
	sight := Sight{Place: s.hears}
	if link, ok := from.(*unix.SockaddrLinklayer); ok && link.Pkttype == unix.PACKET_OUTGOING {
		sight.Place = s.sends
	}
	s.compareClocks()
	length := 0
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		s.unread.Add(1)
		return
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16:
			seconds, rest := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			sight.At = int64(seconds)*1e9 + int64(rest) - s.realtime
		case m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA && len(m.Data) >= 18:
			status := binary.NativeEndian.Uint32(m.Data) // struct tpacket_auxdata
			length = int(binary.NativeEndian.Uint32(m.Data[4:]))
			if status&unix.TP_STATUS_VLAN_VALID != 0 {
				sight.Tag = match.Tagged | binary.NativeEndian.Uint16(m.Data[16:])&0xfff
			}
		}
	}
	sight.Bytes = b[vnetLen:]
	sight.Length = max(length, len(sight.Bytes))
	if b[1] != 0 { // the type of segmentation of struct virtio_net_hdr
		sight.Segment = int(binary.NativeEndian.Uint16(b[4:]))
	}
	s.see(sight)
}

// compareClocks measures how far the clock of the time stamps is ahead of the monotonic one.
// Somebody may set it.
func (s *socket) compareClocks() {
	now := Now()
	if now < s.nextClock {
		return
	}
	s.nextClock = now + compareFor
	best := int64(1 << 62)
	for range 8 {
		before := Now()
		real := clock(unix.CLOCK_REALTIME)
		if took := Now() - before; took < best {
			best, s.realtime = took, real-before-took/2
		}
	}
}

// lost implements source.
func (s *socket) lost() uint64 {
	if stats, err := unix.GetsockoptTpacketStats(s.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		s.dropped.Add(uint64(stats.Drops)) // reading them sets them to 0
	}
	return s.dropped.Load() + s.unread.Load()
}

// stop implements source, by a filter that lets nothing through.
func (s *socket) stop() {
	none := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	if err := unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &none[0]}); err != nil {
		s.unread.Add(1) // it might never end
	}
}

func (s *socket) close() { unix.Close(s.fd) }
