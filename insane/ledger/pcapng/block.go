package pcapng

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The types of blocks, and the codes of their options (draft-ietf-opsawg-pcapng).
const (
	sectionBlock    = 0x0a0d0d0a
	interfaceBlock  = 1
	statisticsBlock = 5
	packetBlock     = 6

	optionEnd     = 0
	optionComment = 1

	sectionHardware, sectionOS, sectionApplication           = 2, 3, 4
	interfaceName, interfaceText, interfaceResolution        = 2, 3, 9
	packetFlags, packetDropped, packetID                     = 2, 4, 5
	statisticsStart, statisticsEnd                           = 2, 3
	statisticsReceived, statisticsDropped                    = 4, 5
	directionInbound, directionOutbound               uint32 = 1, 2
)

const (
	byteOrder   = 0x1a2b3c4d
	version     = 1       // and 0
	ethernet    = 1       // LINKTYPE_ETHERNET
	nanoseconds = 9       // a power of ten
	longest     = 1 << 20 // bytes of a block that a reader takes
	frameLen    = 12      // type, and the length in front of the body and behind it
)

// block is one that is being made. The parts of all blocks are multiples of four bytes.
type block struct{ bytes []byte }

// begin begins a block.
func (b *block) begin(kind uint32) {
	b.bytes = append(b.bytes[:0], make([]byte, 8)...)
	binary.LittleEndian.PutUint32(b.bytes, kind)
}

func (b *block) uint16s(list ...uint16) {
	for _, n := range list {
		b.bytes = binary.LittleEndian.AppendUint16(b.bytes, n)
	}
}

func (b *block) uint32s(list ...uint32) {
	for _, n := range list {
		b.bytes = binary.LittleEndian.AppendUint32(b.bytes, n)
	}
}

// time appends a time, whose upper half comes first.
func (b *block) time(t uint64) { b.uint32s(uint32(t>>32), uint32(t)) }

// data appends bytes.
func (b *block) data(data []byte) {
	b.bytes = append(b.bytes, data...)
	for len(b.bytes)%4 != 0 {
		b.bytes = append(b.bytes, 0)
	}
}

// text appends an option. What an option cannot hold is cut off.
func (b *block) text(code uint16, text string) {
	if text != "" {
		text = text[:min(len(text), 1<<16-4)]
		b.uint16s(code, uint16(len(text)))
		b.data([]byte(text))
	}
}

// number appends an option that is a number.
func (b *block) number(code uint16, n uint64) {
	b.uint16s(code, 8)
	b.bytes = binary.LittleEndian.AppendUint64(b.bytes, n)
}

// moment appends an option that is a time.
func (b *block) moment(code uint16, t uint64) {
	b.uint16s(code, 8)
	b.time(t)
}

// end ends the options and the block, and returns it.
func (b *block) end() []byte {
	b.uint16s(optionEnd, 0)
	length := uint32(len(b.bytes) + 4)
	b.uint32s(length)
	binary.LittleEndian.PutUint32(b.bytes[4:], length)
	return b.bytes
}

// errBlock is the error of a block that makes no sense.
var errBlock = errors.New("a block that makes no sense")

// readBlock reads a block into buf, which it may enlarge, and returns its body. The error is io.EOF if
// there is none, io.ErrUnexpectedEOF if the file is cut off in it, errBlock, or that of from.
func readBlock(from io.Reader, buf []byte) (kind uint32, body, grown []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return 0, nil, buf, err
	}
	kind = binary.LittleEndian.Uint32(head[:])
	length := binary.LittleEndian.Uint32(head[4:])
	if length < frameLen || length%4 != 0 || length > longest {
		return 0, nil, buf, fmt.Errorf("%w: of %d bytes", errBlock, length)
	}
	rest := int(length) - len(head)
	if cap(buf) < rest {
		buf = make([]byte, rest)
	}
	buf = buf[:rest]
	if _, err := io.ReadFull(from, buf); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, buf, err
	}
	if binary.LittleEndian.Uint32(buf[rest-4:]) != length {
		return 0, nil, buf, fmt.Errorf("%w: its two lengths differ", errBlock)
	}
	return kind, buf[:rest-4], buf, nil
}

// options calls f for each option, until it returns false.
func options(bytes []byte, f func(code uint16, value []byte) bool) error {
	for len(bytes) >= 4 {
		code, length := binary.LittleEndian.Uint16(bytes), int(binary.LittleEndian.Uint16(bytes[2:]))
		if code == optionEnd {
			return nil
		}
		padded := (length + 3) &^ 3
		if bytes = bytes[4:]; padded > len(bytes) {
			return fmt.Errorf("%w: an option is longer than the block", errBlock)
		}
		if !f(code, bytes[:length]) {
			return fmt.Errorf("%w: option %d of %d bytes", errBlock, code, length)
		}
		bytes = bytes[padded:]
	}
	return nil
}
