package ledger

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed-39a139a1/insane/policy"
)

// Magic begins a stream. Its last byte is the version of what follows.
const Magic = "insaneL\x01"

// A stream is the magic and blocks. A block is its length without these four bytes, its kind,
// and what belongs to the kind. All integers are little-endian.
type blockKind uint8

const (
	blockHeader  blockKind = iota + 1 // Header as JSON: the first one
	blockProgram                      // Program as JSON
	blockEntry                        // Entry
	blockMissed                       // Missed
	blockEnd                          // End as JSON: the last one
)

const (
	lengthLen = 4
	entryLen  = 68 // of what is fixed in an entry
	missedLen = 9

	// MaxBytes is the most bytes of a packet that an entry has: those of every Ethernet packet.
	MaxBytes = 1 << 18
	maxBlock = entryLen + 2*maxText + MaxBytes
	maxText  = 255
)

// Missed says that a recording lacks entries, since it was not read in time.
type Missed struct {
	Direction policy.Direction `json:"direction"`
	Entries   uint64           `json:"entries"`
}

// End is why a recording has ended.
type End struct {
	Why string `json:"why"` // for a user: "the device ends"
	// Missed are the entries that lack behind the last one.
	Missed []Missed `json:"missed,omitempty"`
}

// AppendHeader appends the magic and the first block of a stream.
func AppendHeader(b []byte, h Header) []byte {
	return appendJSON(append(b, Magic...), blockHeader, h)
}

// AppendProgram appends a block.
func AppendProgram(b []byte, p Program) []byte { return appendJSON(b, blockProgram, p) }

// AppendEnd appends the last block.
func AppendEnd(b []byte, e End) []byte { return appendJSON(b, blockEnd, e) }

// AppendMissed appends a block.
func AppendMissed(b []byte, m Missed) []byte {
	b = append(b, missedLen+1, 0, 0, 0, byte(blockMissed), byte(m.Direction))
	return binary.LittleEndian.AppendUint64(b, m.Entries)
}

// appendJSON appends a block of a value that can always be encoded.
func appendJSON(b []byte, kind blockKind, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)+1))
	return append(append(b, byte(kind)), text...)
}

// Bits of the flags of an entry.
const (
	flagNeighbour = 1 << iota
	flagMark
	flagMarked
)

// AppendEntry appends a block. Rule and Why have at most 255 bytes, Bytes at most MaxBytes.
func AppendEntry(b []byte, e *Entry) []byte {
	rule, why := cut(e.Rule), cut(e.Why)
	bytes := e.Bytes[:min(len(e.Bytes), MaxBytes)]
	flags := byte(0)
	for i, on := range [...]bool{e.Neighbour, e.Verdict.Mark, e.Marked} {
		if on {
			flags |= 1 << i
		}
	}
	at := len(b)
	var fixed [lengthLen + 1 + entryLen]byte
	b = append(b, fixed[:]...)
	p := b[at:]
	order := binary.LittleEndian
	order.PutUint32(p, uint32(1+entryLen+len(rule)+len(why)+len(bytes)))
	p[lengthLen] = byte(blockEntry)
	p = p[lengthLen+1:]
	p[0], p[1], p[2], p[3] = byte(e.Kind), byte(e.Direction), flags, byte(e.Verdict.By)
	p[4], p[5] = byte(len(rule)), byte(len(why))
	order.PutUint32(p[8:], e.Program)
	order.PutUint32(p[12:], e.Series)
	order.PutUint64(p[16:], e.Number)
	order.PutUint32(p[24:], e.Ordinal)
	order.PutUint32(p[28:], e.Verdict.Copies)
	order.PutUint32(p[32:], e.Verdict.Flips)
	order.PutUint32(p[36:], e.Verdict.Behind)
	order.PutUint64(p[40:], uint64(e.Judged))
	order.PutUint64(p[48:], uint64(e.Time))
	order.PutUint64(p[56:], uint64(e.Verdict.Delay))
	order.PutUint32(p[64:], e.Length)
	return append(append(append(b, rule...), why...), bytes...)
}

// cut shortens a text to what a block has room for.
func cut(text string) string { return text[:min(len(text), maxText)] }

var errEntry = errors.New("an entry that makes no sense")

// parseEntry reads what follows the kind of a block. Bytes borrows p.
func parseEntry(p []byte, e *Entry) error {
	if len(p) < entryLen || len(p) < entryLen+int(p[4])+int(p[5]) {
		return errEntry
	}
	order := binary.LittleEndian
	rule, why := int(p[4]), int(p[5])
	rest := p[entryLen:]
	*e = Entry{
		Kind: Kind(p[0]), Direction: policy.Direction(p[1]), Neighbour: p[2]&flagNeighbour != 0, Marked: p[2]&flagMarked != 0,
		Program: order.Uint32(p[8:]), Series: order.Uint32(p[12:]), Number: order.Uint64(p[16:]), Ordinal: order.Uint32(p[24:]),
		Judged: policy.Time(order.Uint64(p[40:])), Time: policy.Time(order.Uint64(p[48:])), Length: order.Uint32(p[64:]),
		Rule: string(rest[:rule]), Why: string(rest[rule : rule+why]), Bytes: rest[rule+why:],
	}
	e.Verdict.By, e.Verdict.Mark = policy.Stage(p[3]), p[2]&flagMark != 0
	e.Verdict.Copies, e.Verdict.Flips, e.Verdict.Behind = order.Uint32(p[28:]), order.Uint32(p[32:]), order.Uint32(p[36:])
	e.Verdict.Delay = policy.Time(order.Uint64(p[56:]))
	return e.check()
}

// check returns an error if an entry cannot be one.
func (e *Entry) check() error {
	switch {
	case e.Kind < Arrived || e.Kind > Refused:
		return fmt.Errorf("an entry of the unknown kind %d", e.Kind)
	case e.Direction > policy.RX:
		return fmt.Errorf("an entry of the unknown direction %d", e.Direction)
	case e.Verdict.By >= policy.StageNumbers:
		return fmt.Errorf("an entry with the unknown stage %d", e.Verdict.By)
	case uint64(len(e.Bytes)) > uint64(e.Length):
		return errEntry
	}
	return nil
}
