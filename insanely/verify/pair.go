package verify

import (
	"cmp"
	"math"
	"slices"
)

// early is how much earlier than in front of the device a packet may seem to be behind it, in ns.
const early = 10 * clockError

// pairing finds for each packet behind the device the one in front of it.
type pairing struct {
	before, after []sighting // in the order of time
	from, to      int64      // the packets of this time are judged
	hold          int64      // the longest time that a packet may be in the device
	opened        int64      // when the witness began to look
	all           bool       // nothing else than the device's packets is behind it
	groups        uint64     // packets for groups, which are left out
	damages       []bool     // by rule: whether its policy damages packets

	packets []Packet // those in front
	rank    uint32
	unknown []int // behind it, and not known
	guessed map[int32]uint64
	unsent  uint64 // behind it, and of nobody
}

// pair sets the fields below packets.
func (p *pairing) pair() {
	p.packets = make([]Packet, len(p.before))
	p.guessed = make(map[int32]uint64)
	for i := range p.before {
		s := &p.before[i]
		p.packets[i] = Packet{
			At: s.at, Bytes: s.bytes, Flow: uint32(s.flow), Capable: s.marks&(capable|congested) == capable,
		}
	}
	names := p.index(func(s *sighting) uint64 { return s.id.Name })
	p.sayAlike(names)
	for k := range p.after {
		s := &p.after[k]
		if i := names.find(s.id.Name, s.at, p); i >= 0 {
			p.came(i, s, p.changed(i, s))
		} else if p.all || s.marks&broken != 0 {
			p.unknown = append(p.unknown, k)
		}
	}
	p.pairDamaged()
	p.ranks()
}

// changed reports whether packet i came out with other bytes.
func (p *pairing) changed(i int, s *sighting) bool {
	b := &p.before[i]
	return s.id.Digest != b.id.Digest && (s.marks|b.marks)&cut == 0 || s.marks&broken != 0 && b.marks&broken == 0
}

// came notes that packet i came out.
func (p *pairing) came(i int, s *sighting, damaged bool) {
	packet := &p.packets[i]
	if packet.Out == 0 || s.at < packet.Left {
		packet.Left = s.at
	}
	if packet.Out == 0 {
		packet.Rank = p.rank
		p.rank++
	}
	packet.Out++
	if damaged {
		packet.Damaged++
	}
	if s.marks&congested != 0 && p.before[i].marks&congested == 0 {
		packet.Marked = true
	}
}

// index finds the packets in front of the device by a number: the first one of each number that
// may still be inside, and behind each the next one with its number.
type index struct {
	first map[uint64]int32
	next  []int32
}

const none = -1

// index makes an index of the packets in front.
func (p *pairing) index(number func(*sighting) uint64) index {
	x := index{make(map[uint64]int32, len(p.before)), make([]int32, len(p.before))}
	for i := len(p.before) - 1; i >= 0; i-- {
		n := number(&p.before[i])
		x.next[i] = none
		if after, there := x.first[n]; there {
			x.next[i] = after
		}
		x.first[n] = int32(i)
	}
	return x
}

// sayAlike marks packets that were sent so soon behind one with the same name that nobody can
// tell which of them comes out.
func (p *pairing) sayAlike(names index) {
	for i := range p.before {
		if n := names.next[i]; n != none && p.before[n].at-p.before[i].at <= p.hold {
			p.packets[i].Alike, p.packets[n].Alike = true, true
		}
	}
}

// find returns the packet with a number that came out at this time: the first one that has not
// come out yet, or else the last one, of which it is a copy. −1: there is none.
func (x index) find(number uint64, at int64, p *pairing) int {
	i, there := x.first[number]
	for ; there && i != none && p.before[i].at < at-p.hold; i = x.next[i] {
		x.first[number] = i
	}
	last := none
	for ; there && i != none && p.before[i].at <= at+early; i = x.next[i] {
		if last = int(i); p.packets[i].Out == 0 {
			x.first[number] = i // those before it have come out, and are as this one
			break
		}
	}
	return last
}

// pairDamaged finds the originals of damaged packets that are known no more: by their headers, by
// what is behind these, or else a lost packet of that length is taken for it.
func (p *pairing) pairDamaged() {
	if len(p.unknown) == 0 {
		return
	}
	heads := p.index(func(s *sighting) uint64 { return s.id.Head })
	bodies := p.index(func(s *sighting) uint64 { return s.id.Body })
	var left []int
	for _, k := range p.unknown {
		s := &p.after[k]
		i := heads.only(s.id.Head, s.at, p)
		if i < 0 {
			i = bodies.only(s.id.Body, s.at, p)
		}
		if i < 0 {
			left = append(left, k)
			continue
		}
		p.came(i, s, true)
	}
	for _, k := range left {
		p.guess(&p.after[k])
	}
}

// only is find for a number that must belong to one packet which may be in the device.
func (x index) only(number uint64, at int64, p *pairing) int {
	found := none
	i, there := x.first[number]
	for ; there && i != none && p.before[i].at <= at+early; i = x.next[i] {
		if p.before[i].at < at-p.hold {
			x.first[number] = i
			continue
		}
		if !p.original(int(i)) {
			continue
		}
		if found != none {
			return none
		}
		found = int(i)
	}
	return found
}

// original reports whether packet i may be that of a damaged one: it has not come out, and belongs to
// a rule that damages packets. If no rule does, it may be of any.
func (p *pairing) original(i int) bool {
	rule := p.before[i].rule
	if p.packets[i].Out > 0 || rule == spared {
		return false
	}
	return p.damages[rule] || !slices.Contains(p.damages, true)
}

// guess takes the last packet of the same length that has not come out, and could, for the
// original.
func (p *pairing) guess(s *sighting) {
	end, _ := slices.BinarySearchFunc(p.before, s.at+early, func(b sighting, at int64) int { return cmp.Compare(b.at, at) })
	for i := end - 1; i >= 0 && p.before[i].at >= s.at-p.hold; i-- {
		if p.before[i].bytes == s.bytes && p.original(i) {
			p.came(i, s, true)
			p.packets[i].Alike = true
			p.guessed[p.before[i].rule]++
			return
		}
	}
	if s.at > p.opened+p.hold {
		p.unsent++
	}
}

// ranks gives the packets their places in the order in which they came out. Damaged ones were
// found later.
func (p *pairing) ranks() {
	if len(p.unknown) == 0 {
		return
	}
	var out []int
	for i := range p.packets {
		if p.packets[i].Out > 0 {
			out = append(out, i)
		}
	}
	slices.SortStableFunc(out, func(a, b int) int {
		return cmp.Or(cmp.Compare(p.packets[a].Left, p.packets[b].Left), cmp.Compare(p.packets[a].Rank, p.packets[b].Rank))
	})
	for rank, i := range out {
		p.packets[i].Rank = uint32(rank)
	}
}

// trace returns the packets of a rule that are judged.
func (p *pairing) trace(rule int32) (trace []Packet) {
	for i := range p.packets {
		if s := &p.before[i]; s.rule == rule && s.at >= p.from && s.at <= p.to {
			trace = append(trace, p.packets[i])
		}
	}
	return trace
}

// between counts the packets of a list in a time, without spared ones and with those of one rule
// only unless it is math.MinInt32.
func between(list []sighting, from, to int64, rule int32) (n uint64) {
	for i := range list {
		s := &list[i]
		if s.at >= from && s.at <= to && s.rule != spared && (rule == anyRule || s.rule == rule) {
			n++
		}
	}
	return n
}

const anyRule = math.MinInt32
