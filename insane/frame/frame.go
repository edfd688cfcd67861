// Package frame is bytes: an Ethernet frame behind its virtio-net header, how
// many wire packets it stands for, and how to take some of those away.
//
// A frame that the kernel marks with a GSO type is a super-frame: one set of
// headers and up to 64 KiB of payload that a NIC, or the kernel in front of
// it, would cut into segments of equal size. Policies judge the segments. So
//
//  1. [Inspect] tells how many packets a frame is and refuses one that makes
//     no sense, before anything is decided about it;
//  2. [Layout] answers what counters and MTU checks ask;
//  3. [Splitter.Split] takes the verdicts and leaves the survivors, in as few
//     frames as possible.
//
// The bytes may come from anywhere: neither the virtio header nor the packet is
// believed. Nothing here does I/O, knows a file descriptor, or allocates once
// it is warm.
//
// # Frames that arrive
//
// A packet socket with PACKET_VNET_HDR and PACKET_AUXDATA hands out what the
// kernel has received. That differs in two ways from what hosts send:
//
//   - The outermost VLAN tag is beside the bytes. [InsertTag] puts it back.
//   - A super-frame whose checksums somebody has verified already bears
//     DataValid in place of NeedsCsum. [MakePartial] makes it one with a partial
//     checksum. This comes after InsertTag and before Inspect.
//
// Whoever reads such a socket must expect more (virtio_net_hdr_from_skb of
// linux/virtio_net.h, packet_recvmsg of net/packet/af_packet.c):
//
//   - EINVAL from recvmsg(2) is the loss of one frame and not the end of the
//     socket: the virtio header has no name for its GSO type. So it goes with UDP
//     super-frames before Linux 6.2, with SCTP, and with drivers that merge
//     packets and do not say which (skb_warn_if_lro).
//   - MSG_TRUNC says that a frame was longer than the buffer. MaxLen-TagLen bytes
//     hold every frame of one or two tags of which the outer is beside it, unless
//     gro_max_size or gro_ipv4_max_size of the link was raised above 64 KiB.
//   - A super-frame of tunnel packets (VXLAN, GRE, IP in IP, PPPoE) has the GSO
//     type of the packets inside and no word about the tunnel. Inspect refuses it.
//   - It is not told whether merged IPv4 packets all had one identification
//     (SKB_GSO_TCP_FIXEDID). Split counts it up, as the kernel does then.
package frame

import (
	"encoding/binary"
	"slices"
)

// HeaderLen is the length in bytes of the virtio-net header in front of every
// frame: struct virtio_net_hdr of linux/virtio_net.h, without num_buffers.
const HeaderLen = 10

// MaxLen is the length in bytes of the longest frame a port may carry: virtio
// header, Ethernet header, two VLAN tags and 64 KiB, the kernel's limit for a
// super-frame unless a device asks for more (GSO_LEGACY_MAX_SIZE).
const MaxLen = HeaderLen + etherLen + maxTags*TagLen + 64<<10

// Bits of Header.Flags.
const (
	// NeedsCsum says that the transport checksum is partial: the field holds
	// the sum of the pseudo-header, folded to 16 bits and not complemented.
	// Whoever sends the packet for good adds the rest.
	NeedsCsum = 1

	// DataValid says that the checksum was verified. The field may hold
	// anything if the frame was put together from several packets.
	// NeedsCsum goes before it.
	DataValid = 2
)

// Values of Header.GSOType. Old UDP fragmentation offload (3) and tunnels
// (0x20, 0x40) exist and are not supported.
const (
	GSONone  = 0
	GSOTCPv4 = 1
	GSOTCPv6 = 4
	GSOUDPL4 = 5    // UDP over either family, one datagram a segment
	GSOECN   = 0x80 // or-ed to a TCP type: of the segments only the first has CWR
)

// Frame is a virtio-net header followed by an Ethernet frame without FCS.
// VLAN tags are in the bytes.
type Frame []byte

// Clone returns a copy with memory of its own, for who must keep a frame
// longer than its reader lends it.
func (f Frame) Clone() Frame { return slices.Clone(f) }

// Header is the virtio-net header of a frame. Offsets count bytes from the
// start of the Ethernet header.
type Header struct {
	Flags      uint8  // NeedsCsum, DataValid; others are passed on as they are
	GSOType    uint8  // one of the GSO… types
	HdrLen     uint16 // bytes of all headers of a super-frame; a hint, often wrong
	GSOSize    uint16 // bytes of payload in each segment but the last
	CsumStart  uint16 // where summing starts: the transport header
	CsumOffset uint16 // where the checksum goes, counted from CsumStart
}

// Header reads the virtio-net header. A frame shorter than HeaderLen has none:
// Header panics; Inspect refuses such frames.
func (f Frame) Header() Header {
	_ = f[HeaderLen-1]
	// Legacy headers are in the byte order of the host.
	return Header{
		Flags:      f[0],
		GSOType:    f[1],
		HdrLen:     binary.NativeEndian.Uint16(f[2:]),
		GSOSize:    binary.NativeEndian.Uint16(f[4:]),
		CsumStart:  binary.NativeEndian.Uint16(f[6:]),
		CsumOffset: binary.NativeEndian.Uint16(f[8:]),
	}
}

// SetHeader overwrites the virtio-net header. A frame shorter than HeaderLen
// has no room for one: SetHeader panics.
func (f Frame) SetHeader(h Header) {
	_ = f[HeaderLen-1]
	f[0] = h.Flags
	f[1] = h.GSOType
	binary.NativeEndian.PutUint16(f[2:], h.HdrLen)
	binary.NativeEndian.PutUint16(f[4:], h.GSOSize)
	binary.NativeEndian.PutUint16(f[6:], h.CsumStart)
	binary.NativeEndian.PutUint16(f[8:], h.CsumOffset)
}
