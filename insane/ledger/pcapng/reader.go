package pcapng

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/policy"
)

// Reader reads one file. It is for one goroutine.
type Reader struct {
	from       *bufio.Reader
	buf        []byte // the present block
	header     ledger.Header
	interfaces int // how many have come
	programs   Programs
	entry      ledger.Entry
	ended      bool
	missed     uint64
}

// ErrFormat is the error of a file that insanely record has not written.
var ErrFormat = errors.New("not a recording of insanely record")

// NewReader reads the beginning of a file. The error is ErrFormat, io.ErrUnexpectedEOF if the
// file ends before, or that of from.
func NewReader(from io.Reader) (*Reader, error) {
	r := &Reader{from: bufio.NewReader(from), programs: make(Programs)}
	kind, body, err := r.read()
	switch {
	case err == io.EOF:
		return nil, io.ErrUnexpectedEOF
	case errors.Is(err, errBlock):
		return nil, ErrFormat
	case err != nil:
		return nil, err
	}
	const fixed = 16 // the order of bytes, the version and the length of the section
	if kind != sectionBlock || len(body) < fixed || binary.LittleEndian.Uint32(body) != byteOrder {
		return nil, ErrFormat
	}
	ok := false
	err = options(body[fixed:], func(code uint16, value []byte) bool {
		if code == optionComment && !ok {
			r.header, ok = parseSection(string(value))
		}
		return true
	})
	if err != nil || !ok {
		return nil, ErrFormat
	}
	return r, nil
}

// read reads a block.
func (r *Reader) read() (kind uint32, body []byte, err error) {
	kind, body, r.buf, err = readBlock(r.from, r.buf)
	return kind, body, err
}

// Header returns what the recording began with. Its Setup is there when Next has returned.
func (r *Reader) Header() ledger.Header { return r.header }

// Program returns the program of an entry that Next has returned; nil if the file does not
// have it.
func (r *Reader) Program(e *ledger.Entry) *ledger.Program {
	return r.programs[programKey{e.Direction, e.Program}]
}

// Missed is how many entries are missing in what was read so far.
func (r *Reader) Missed() uint64 { return r.missed }

// Ended reports whether Next has met the end that a Writer writes. If not, and Next has
// returned io.EOF, the file was cut off between two packets.
func (r *Reader) Ended() bool { return r.ended }

// Next returns the next entry, which is valid until the next call. The error is io.EOF at the
// end, io.ErrUnexpectedEOF if the file is cut off, and another one that says what makes no
// sense; then nothing more can be read.
func (r *Reader) Next() (*ledger.Entry, error) {
	for {
		kind, body, err := r.read()
		switch {
		case err != nil:
			return nil, err
		case kind == packetBlock:
			return &r.entry, r.packet(body)
		case kind == interfaceBlock:
			err = r.described(body)
		case kind == statisticsBlock:
			err = r.statistics(body)
		case kind == sectionBlock:
			err = errors.New("more than one recording in a file")
		}
		if err != nil {
			return nil, err
		}
	}
}

// described takes down an interface; the first one has the Setup of the header.
func (r *Reader) described(body []byte) error {
	const fixed = 8 // the type of links, and the longest packet
	if len(body) < fixed {
		return errBlock
	}
	first := r.interfaces == before
	r.interfaces++
	return options(body[fixed:], func(code uint16, value []byte) bool {
		if code == optionComment && first {
			r.header.Setup, _ = parseSetup(string(value))
		}
		return code != interfaceResolution || len(value) == 1 && value[0] == nanoseconds
	})
}

// packet makes an entry of a packet.
func (r *Reader) packet(body []byte) error {
	const fixed = 20 // the interface, the time, and two lengths
	if len(body) < fixed {
		return errBlock
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(body[4*i:]) }
	at := int64(uint64(word(1))<<32 | uint64(word(2)))
	captured, length, rest := int(word(3)), word(4), body[fixed:]
	padded := (captured + 3) &^ 3
	if padded < 0 || padded > len(rest) {
		return errBlock
	}
	e, known := &r.entry, errComment
	err := options(rest[padded:], func(code uint16, value []byte) bool {
		switch {
		case code == packetDropped && len(value) == 8:
			r.missed += binary.LittleEndian.Uint64(value)
		case code != optionComment:
			return code != packetDropped
		default:
			if p, ok := parseProgram(string(value)); ok {
				r.programs.Add(&p)
			} else if known != nil {
				known = parsePacket(string(value), e)
			}
		}
		return true
	})
	if err == nil {
		err = known
	}
	e.Time = policy.Time(at - r.header.Real)
	e.Length, e.Bytes = length, rest[:captured]
	return err
}

// statistics takes down the end of a file.
func (r *Reader) statistics(body []byte) error {
	const fixed = 12 // the interface and the time
	if len(body) < fixed {
		return errBlock
	}
	i := binary.LittleEndian.Uint32(body)
	return options(body[fixed:], func(code uint16, value []byte) bool {
		switch {
		case code == statisticsEnd:
			r.ended = r.ended || i == interfaces-1
		case code == statisticsDropped && i == before && len(value) == 8:
			r.missed = max(r.missed, binary.LittleEndian.Uint64(value))
		}
		return true
	})
}
