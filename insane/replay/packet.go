package replay

import (
	"encoding/binary"

	"github.com/seed-39a139a1/insane/policy"
)

// Packet is what was recorded of one packet.
type Packet struct {
	Verdict policy.Verdict
	Program uint32      // its place in Head.Programs
	Number  uint64      // that the packet had
	Judged  policy.Time // the time for which the program was asked
	Queue   Ordinals    // which copies the queue of the link has lost
}

// Ordinals is a set of copies of a packet; 0 is the packet itself.
type Ordinals [2]uint64

// mostOrdinal is the greatest number of a copy. A policy makes no more.
const mostOrdinal = 100

// Add adds a copy. Those above mostOrdinal are left out.
func (o *Ordinals) Add(ordinal uint32) {
	if ordinal <= mostOrdinal {
		o[ordinal/64] |= 1 << (ordinal % 64)
	}
}

// Has reports whether a copy is in the set.
func (o *Ordinals) Has(ordinal uint32) bool {
	return ordinal <= mostOrdinal && o[ordinal/64]>>(ordinal%64)&1 != 0
}

// The limits of a verdict. They are those of package policy, so that no body makes a daemon do
// more than a policy could.
const (
	mostFlips  = 100
	mostBehind = 10_000
	mostDelay  = policy.Time(1) << 56 // two years; the waits of a policy are a day each, with what jitter adds
)

// A packet in bytes is its flags, and for each flag a number; then, as differences to the packet
// before in the list, its number and the time at which it was judged.
const (
	flagBy      = 1 << iota // the stage
	flagMark                // no number: the stage has marked the packet
	flagQueue               // both words of Ordinals
	flagCopies              //
	flagFlips               //
	flagBehind              //
	flagDelay               //
	flagProgram             // it is another one than that of the packet before
)

// list is packets of one connection, in one direction, from one of its ends, from the next one on.
type list struct {
	rest    []byte // of the packets that are not read yet
	number  uint64 // of the packet before, like the others
	judged  policy.Time
	program uint32
}

// append appends a packet to rest.
func (l *list) append(k *Packet) {
	v, at := k.Verdict, len(l.rest)
	b := append(l.rest, 0)
	number := func(flag byte, n uint64) {
		if n != 0 {
			b[at] |= flag
			b = binary.AppendUvarint(b, n)
		}
	}
	number(flagBy, uint64(v.By))
	if v.Mark {
		b[at] |= flagMark
	}
	if k.Queue != (Ordinals{}) {
		b[at] |= flagQueue
		b = binary.AppendUvarint(binary.AppendUvarint(b, k.Queue[0]), k.Queue[1])
	}
	number(flagCopies, uint64(v.Copies))
	number(flagFlips, uint64(v.Flips))
	number(flagBehind, uint64(v.Behind))
	number(flagDelay, uint64(v.Delay))
	if k.Program != l.program {
		b[at] |= flagProgram
		b = binary.AppendUvarint(b, uint64(k.Program))
	}
	b = binary.AppendVarint(b, int64(k.Number-l.number))
	l.rest = binary.AppendVarint(b, int64(k.Judged-l.judged))
	l.number, l.judged, l.program = k.Number, k.Judged, k.Program
}

// next reads the next packet. It returns false if there is none, or what stands there is none.
func (l *list) next() (k Packet, ok bool) {
	r := cursor{rest: l.rest}
	flags := r.byte()
	number := func(flag byte, most uint64) uint64 {
		if flags&flag == 0 {
			return 0
		}
		return r.number(most)
	}
	v := &k.Verdict
	v.By = policy.Stage(number(flagBy, policy.StageNumbers-1))
	v.Mark = flags&flagMark != 0
	k.Queue[0] = number(flagQueue, 1<<64-1)
	k.Queue[1] = number(flagQueue, 1<<(mostOrdinal-63)-1)
	v.Copies = uint32(number(flagCopies, mostOrdinal))
	v.Flips = uint32(number(flagFlips, mostFlips))
	v.Behind = uint32(number(flagBehind, mostBehind))
	v.Delay = policy.Time(number(flagDelay, uint64(mostDelay)))
	k.Program = l.program
	if flags&flagProgram != 0 {
		k.Program = uint32(number(flagProgram, MaxPrograms-1))
	}
	k.Number = l.number + uint64(r.difference())
	k.Judged = l.judged + policy.Time(r.difference())
	if r.bad || v.Mark && v.By == policy.Relay {
		return Packet{}, false
	}
	l.rest, l.number, l.judged, l.program = r.rest, k.Number, k.Judged, k.Program
	return k, true
}

// cursor reads numbers. bad says that something that was read was none.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) byte() byte {
	if len(c.rest) == 0 {
		c.bad = true
		return 0
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return b
}

// take returns the next n bytes.
func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.bad = true
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

// number reads a number up to most.
func (c *cursor) number(most uint64) uint64 {
	n, length := binary.Uvarint(c.rest)
	if length <= 0 || n > most {
		c.bad = true
		return 0
	}
	c.rest = c.rest[length:]
	return n
}

// difference reads a number with a sign.
func (c *cursor) difference() int64 {
	n, length := binary.Varint(c.rest)
	if length <= 0 {
		c.bad = true
		return 0
	}
	c.rest = c.rest[length:]
	return n
}
