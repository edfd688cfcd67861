package frame

import (
	"encoding/binary"
	"hash/crc32"
)

// Numbers of SCTP (RFC 9260 §3.1).
const (
	sctpLen      = 12
	sctpChecksum = 8 // offset in bytes
)

// crcTable is that of the checksum of SCTP (RFC 9260 appendix A).
var crcTable = crc32.MakeTable(crc32.Castagnoli)

// FinishCRC finishes the checksum of a received SCTP packet that has a partial one. The
// virtio header says no more than where a checksum is, and whoever finishes it would put the
// 16-bit sum of TCP and UDP into it: it has no word for a CRC (skb->csum_not_inet). Call it
// after InsertTag. FinishCRC does not change other frames.
func FinishCRC(f Frame) {
	if len(f) < HeaderLen+etherLen || f[0]&NeedsCsum == 0 || f[1] != GSONone {
		return
	}
	h, e := f.Header(), f[HeaderLen:]
	start := int(h.CsumStart)
	if h.CsumOffset != sctpChecksum || len(e) < start+sctpLen {
		return
	}
	link, etherType := linkHeader(e)
	l := Layout{link: link, protocol: protocolSCTP}
	if l.walkHeaders(e, etherType, start) != nil {
		return
	}
	p := e[start:]
	field := p[sctpChecksum:sctpLen]
	clear(field)
	binary.LittleEndian.PutUint32(field, crc32.Checksum(p, crcTable))
	h.Flags &^= NeedsCsum
	h.CsumStart, h.CsumOffset = 0, 0
	f.SetHeader(h)
}
