package ledger

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/seed-39a139a1/insane/policy"
)

// Stream reads the binary form.
type Stream struct {
	from   *bufio.Reader
	header Header
	block  []byte
	entry  Entry
}

// ErrMagic is the error of a stream that is none, or one of another version.
var ErrMagic = errors.New("not a ledger of this version")

// NewStream reads the header of a stream. The error is ErrMagic, or that of the reader.
func NewStream(from io.Reader) (*Stream, error) {
	s := &Stream{from: bufio.NewReaderSize(from, 1<<16)}
	magic := make([]byte, len(Magic))
	if _, err := io.ReadFull(s.from, magic); err != nil {
		return nil, err
	}
	if string(magic) != Magic {
		return nil, ErrMagic
	}
	kind, text, err := s.read()
	if err != nil {
		return nil, err
	}
	if kind != blockHeader || json.Unmarshal(text, &s.header) != nil {
		return nil, ErrMagic
	}
	return s, nil
}

// Header returns what the recording begins with.
func (s *Stream) Header() Header { return s.header }

// Buffered is how many bytes have come that Next has not read yet. If it is 0, Next may wait.
func (s *Stream) Buffered() int { return s.from.Buffered() }

// Next returns the next of a stream: a *Program, an *Entry, which is valid until the next
// call, a *Missed or an *End. The error is io.ErrUnexpectedEOF if the stream ends without an
// End; nothing must be read behind that.
func (s *Stream) Next() (any, error) {
	kind, text, err := s.read()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	switch kind {
	case blockEntry:
		return &s.entry, parseEntry(text, &s.entry)
	case blockProgram:
		return parseJSON[Program](text)
	case blockEnd:
		return parseJSON[End](text)
	case blockMissed:
		if len(text) != missedLen || text[0] > 1 {
			return nil, errors.New("a count that makes no sense")
		}
		return &Missed{Direction: policy.Direction(text[0]), Entries: binary.LittleEndian.Uint64(text[1:])}, nil
	}
	return nil, fmt.Errorf("a block of the unknown kind %d", kind)
}

// parseJSON reads a block of JSON.
func parseJSON[T any](text []byte) (any, error) {
	v := new(T)
	if err := json.Unmarshal(text, v); err != nil {
		return nil, fmt.Errorf("read block: %w", err)
	}
	return v, nil
}

// read reads one block. text is valid until the next call.
func (s *Stream) read() (kind blockKind, text []byte, err error) {
	var head [lengthLen + 1]byte
	if _, err := io.ReadFull(s.from, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n == 0 || n > maxBlock {
		return 0, nil, fmt.Errorf("a block of %d bytes", n)
	}
	if cap(s.block) < int(n-1) {
		s.block = make([]byte, n-1)
	}
	s.block = s.block[:n-1]
	if _, err := io.ReadFull(s.from, s.block); err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return blockKind(head[lengthLen]), s.block, nil
}
