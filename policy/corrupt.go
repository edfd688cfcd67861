package policy

import "github.com/seed-39a139a1/insane/policy/unit"

// The stage "corrupt P" flips bits in P per cent of the packets, at drawn places. Which
// bits of a frame may be flipped is a matter of those who have the frame: they number them
// from 0 and ask [Program.Flip].

// corrupt has the stage's settings.
type corrupt struct {
	set  bool // necessary because corrupt 0 has a meaning
	part unit.Percent
	bits unit.Number // in each of these packets
}

func (s *corrupt) given() bool { return s.set }

func (s *corrupt) parse(c *cursor) {
	*s = corrupt{set: true, part: take(c, "", unit.ParsePercent), bits: 1}
	if c.named("bits") {
		s.bits = take(c, "bits", parseUpTo(maxFlips))
	}
}

func (s *corrupt) words() string {
	if s.bits == 1 {
		return s.part.String()
	}
	return s.part.String() + " bits " + s.bits.String()
}

func (s *corrupt) compile(prog *Program, _ Time, key uint64) {
	prog.CorruptChance = uint64(chance(uint64(s.part), uint64(unit.Hundred)))
	prog.CorruptBits = uint64(s.bits)
	prog.CorruptKey = key
}

// flips returns how many bits are flipped in a packet, or in a copy of it.
func (p *Program) flips(seq uint64, ordinal uint32) uint32 {
	if !Chance(p.CorruptChance).covers(draw(copyKey(p.CorruptKey, ordinal), seq)) {
		return 0
	}
	return uint32(min(p.CorruptBits, maxFlips))
}

// Flip appends to dst the places of the bits that are flipped in packet seq (ordinal 0) or
// in one of its copies, if its verdict has Flips: that many different numbers below bits,
// or all if bits is not larger. Every set of places is equally likely. It allocates only if
// dst has no room.
func (p *Program) Flip(dst []uint64, seq uint64, ordinal uint32, bits uint64) []uint64 {
	key := subkey(hash(copyKey(p.CorruptKey, ordinal), seq), 1)
	begin := len(dst)
	// Floyd's algorithm: the place drawn below below, or if it is taken, the last one.
	for below := bits - min(p.CorruptBits, maxFlips, bits); below < bits; below++ {
		place := within(hash(key, below), below+1)
		for _, taken := range dst[begin:] {
			if taken == place {
				place = below
				break
			}
		}
		dst = append(dst, place)
	}
	return dst
}

func (s *corrupt) usage() string { return "corrupt P [bits B]" }

func (s *corrupt) summary() string {
	return "flip a bit, or B bits, anywhere behind the Ethernet header of P per cent of the packets"
}

func (s *corrupt) meaning() meaning {
	return meaning{then: s.part.String() + " % of them with " + counted(uint64(s.bits), "bit", "bits") + " flipped"}
}

func (s *corrupt) share() (Share, bool) { return Share{}, true }

func (s *corrupt) ask(a *Asked) { a.Damaged = Share{Part: uint64(s.part), Of: uint64(unit.Hundred)} }
