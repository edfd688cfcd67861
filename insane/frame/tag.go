package frame

import "encoding/binary"

// TagLen is the length in bytes of a VLAN tag: protocol identifier and control
// information, both of 16 bits (IEEE 802.1Q §9).
const TagLen = 4

// InsertTag puts the VLAN tag of a received frame back into its bytes, behind
// the addresses. The kernel takes the outermost tag out of everything that it
// receives (skb_vlan_untag of net/core/skbuff.c), and a packet socket tells it
// beside the bytes: tp_vlan_tpid and tp_vlan_tci of struct tpacket_auxdata, if
// tp_status has TP_STATUS_VLAN_VALID.
//
// buf is TagLen bytes whose contents do not matter, and behind them the virtio
// header and the Ethernet frame. The result is all of buf: what is behind the
// addresses stays where it is. Read at most MaxLen-TagLen bytes behind the gap,
// and no result is longer than MaxLen.
//
// A frame too short to have addresses comes back without the tag. A frame that
// came without one is buf[TagLen:].
func InsertTag(buf []byte, tpid, tci uint16) Frame {
	const moved = HeaderLen + 2*addressLen
	if len(buf) < TagLen+moved {
		return Frame(buf[min(TagLen, len(buf)):])
	}
	copy(buf, buf[TagLen:TagLen+moved])
	binary.BigEndian.PutUint16(buf[moved:], tpid)
	binary.BigEndian.PutUint16(buf[moved+2:], tci)
	f := Frame(buf)
	h := f.Header()
	// The kernel counts both without the tag (packet_rcv_vnet of
	// net/packet/af_packet.c), and 0 in either stands for nothing.
	if h.Flags&NeedsCsum != 0 {
		h.CsumStart += TagLen
	}
	if h.HdrLen != 0 {
		h.HdrLen += TagLen
	}
	f.SetHeader(h)
	return f
}
