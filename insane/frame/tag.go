package frame

import "encoding/binary"

// TagLen is the length in bytes of a VLAN tag: protocol identifier and control
// information, both of 16 bits (IEEE 802.1Q §9).
const TagLen = 4

// InsertTag puts the VLAN tag of a received frame back into its bytes, behind
// the addresses. The kernel removes the outermost tag from every frame that it
// receives (skb_vlan_untag of net/core/skbuff.c). A packet socket returns the tag
// beside the bytes: tp_vlan_tpid and tp_vlan_tci of struct tpacket_auxdata, if
// tp_status has TP_STATUS_VLAN_VALID.
//
// buf starts with TagLen unused bytes; the virtio header and the Ethernet frame
// follow. The result is all of buf, and the bytes behind the addresses do not move.
// Read at most MaxLen-TagLen bytes behind the unused ones, so that no result is longer
// than MaxLen.
//
// InsertTag returns a frame that is too short to have addresses without the tag. For
// a frame that was received without a tag, use buf[TagLen:] instead.
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
	// The kernel computes both offsets without the tag (packet_rcv_vnet of
	// net/packet/af_packet.c). A 0 means that there is no offset.
	if h.Flags&NeedsCsum != 0 {
		h.CsumStart += TagLen
	}
	if h.HdrLen != 0 {
		h.HdrLen += TagLen
	}
	f.SetHeader(h)
	return f
}
