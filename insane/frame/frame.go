// Package frame handles the bytes of Ethernet frames with a virtio-net header: it
// finds out how many packets a frame is on the wire, and removes some of them.
//
// A frame that the kernel marks with a GSO type is a super-frame: one set of
// headers and up to 512 KiB of payload that a NIC, or the kernel in front of
// it, would cut into segments of equal size. Policies judge the segments. So
//
//  1. [Inspect] finds out how many packets a frame is, and refuses a malformed
//     frame before anything is decided about it;
//  2. [Layout] has the numbers for counters and MTU checks;
//  3. [Splitter.Split] takes the verdicts and returns the surviving packets, in as
//     few frames as a port can carry.
//
// The headers may be those of a tunnel (VXLAN, GENEVE, GRE, IP in IP, PPPoE, MPLS): the
// segments are those of the innermost TCP or UDP header. Frames of more than 64 KiB (BIG
// TCP) have 0 in their length fields.
//
// The bytes may come from any source, so the package trusts neither the virtio
// header nor the packet. It does no I/O, and allocates no memory once it is warm.
//
// Files: frame.go has Frame and its header; inspect.go, walk.go and tunnel.go check a frame
// and find its layout, which layout.go has; errors.go lists the errors. split.go removes
// packets, and cut.go takes a few out; rewrite.go and wrap.go correct their headers. tunnelmark.go
// marks super-frames of tunnels for a port that carries them in one piece. tag.go, partial.go,
// destination.go and crc.go prepare received frames. neighbour.go knows ARP and its kin. key.go
// finds what rules look at, icmp.go what identifies a ping. wire.go shows packets as they are on the wire.
// ecn.go marks packets, flip.go damages them.
//
// # Frames that arrive
//
// A packet socket with PACKET_VNET_HDR and PACKET_AUXDATA returns the frames that
// the kernel has received. They differ in two ways from frames that hosts send:
//
//   - The outermost VLAN tag is beside the bytes. [InsertTag] puts it back.
//
//   - A super-frame with verified checksums has DataValid in place of NeedsCsum.
//     [MakePartial] gives it a partial checksum. Call it after InsertTag and before
//     Inspect.
//
//   - A packet of SCTP may have a partial checksum, which is no sum as the virtio header
//     means it. [FinishCRC] finishes it.
//
// A reader of such a socket must also handle these cases (virtio_net_hdr_from_skb of
// linux/virtio_net.h, packet_recvmsg of net/packet/af_packet.c):
//
//   - EINVAL from recvmsg(2) means that one frame is lost; the socket goes on. The
//     virtio header has no type for the frame: a UDP super-frame before Linux 6.2,
//     SCTP, or packets that a driver has merged without a type (skb_warn_if_lro).
//   - MSG_TRUNC means that a frame was longer than the buffer. MaxLen-TagLen bytes
//     hold every frame with at most two tags, the outer one beside the bytes.
//   - A super-frame of tunnel packets has the GSO type of the inner packets and no mark
//     of the tunnel. Inspect finds the tunnel, and Split makes plain packets of it, since
//     no virtio header of this length can describe the whole, unless Mark marks it.
//   - The virtio header does not say whether merged IPv4 packets all had the same
//     identification (SKB_GSO_TCP_FIXEDID). Split increments it, as the kernel does.
package frame

import (
	"encoding/binary"
	"slices"
)

// HeaderLen is the length in bytes of the virtio-net header in front of every
// frame: struct virtio_net_hdr of linux/virtio_net.h, without num_buffers.
const HeaderLen = 10

// Lengths in bytes of the longest frames, with virtio header, Ethernet header and two VLAN
// tags.
const (
	// MaxLen is that of the longest frame that a port may return: the kernel's limit for a
	// super-frame of which somebody has asked for more than 64 KiB (GRO_MAX_SIZE of
	// linux/netdevice.h), and the jumbo option.
	MaxLen = HeaderLen + etherLen + maxTags*TagLen + 8*(1<<16-1) + jumboLen

	// UsualLen is that of the longest frame if nobody has asked for more.
	UsualLen = HeaderLen + etherLen + maxTags*TagLen + 64<<10
)

// Bits of Header.Flags.
const (
	// NeedsCsum says that the transport checksum is partial: the field holds
	// the sum of the pseudo-header, folded to 16 bits and not complemented.
	// The last sender of the packet adds the rest.
	NeedsCsum = 1

	// DataValid says that the checksum was verified. The field may hold
	// anything if the frame was put together from several packets.
	// NeedsCsum goes before it.
	DataValid = 2
)

// Values of Header.GSOType.
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

// Clone returns a copy in new memory, for a caller that keeps a frame longer than
// until the next read.
func (f Frame) Clone() Frame { return slices.Clone(f) }

// AddressLen is the length of a link-layer address in bytes.
const AddressLen = 6

// Destination returns the link-layer address that the frame is sent to. The caller may change
// it. It returns nil if the frame is too short to have one.
func (f Frame) Destination() *[AddressLen]byte {
	if len(f) < HeaderLen+AddressLen {
		return nil
	}
	return (*[AddressLen]byte)(f[HeaderLen:])
}

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
