package line_test

import (
	"cmp"
	"math/big"
	"slices"

	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/policy"
)

// The model: a second line, slow and plain. It knows single packets only, computes with fractions,
// keeps everything in slices, and sorts them. It shares nothing with the package under test but
// its Settings.
type model struct {
	s     line.Settings
	queue []*packet // in front of the link, and on it
	free  *big.Rat  // when the link is free
	sent  *big.Rat  // bits of the first packet that went before

	delayed []*packet
	latest  policy.Time
	orders  int

	asides []*packet
	passed int
	most   int
	passAt policy.Time

	gated    []*packet
	slot     opening
	inSlot   int
	slotUsed uint64
	out      []*packet // what has left
}

// packet is a packet of the model.
type packet struct {
	item, index, of int // the item, and which of how many packets of it
	kept            int // packets of the item
	bytes, each     uint64
	arrival, delay  policy.Time
	behind          int
	capable         bool

	due    policy.Time // for delayed ones and asides; when it leaves, for the rest
	order  int
	target int
	mark   bool
}

// opening is a moment at which the wire is open.
type opening struct {
	era, slot uint64
	at        policy.Time
}

func newModel(s line.Settings) *model {
	return &model{s: s, free: new(big.Rat), sent: new(big.Rat), slot: opening{at: s.SlotEpoch}}
}

func ratOf(n uint64) *big.Rat { return new(big.Rat).SetFrac(new(big.Int).SetUint64(n), big.NewInt(1)) }

func ratTime(t policy.Time) *big.Rat { return ratOf(uint64(t)) }

// ceilOf is the first whole number that is not below r.
func ceilOf(r *big.Rat) policy.Time {
	q, m := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int))
	if m.Sign() != 0 {
		q.Add(q, big.NewInt(1))
	}
	return policy.Time(q.Uint64())
}

// bits is the length on the link of a packet of this many bytes.
func (m *model) bits(bytes uint64) *big.Rat {
	n := int64(bytes) + m.s.Overhead
	if n < 0 {
		n = 0
	}
	if c := int64(m.s.Cell); c > 0 {
		cells := n / c
		if cells*c < n {
			cells++
		}
		n = cells * (c + int64(m.s.CellOverhead))
	}
	return ratOf(uint64(8 * n))
}

// takes is how long this many bits take.
func (m *model) takes(bits *big.Rat) *big.Rat {
	r := new(big.Rat).Mul(bits, ratOf(1_000_000_000))
	return r.Quo(r, ratOf(m.s.Rate))
}

// begin is when the link begins with what has arrived then.
func (m *model) begin(arrival policy.Time) *big.Rat {
	if a := ratTime(arrival); a.Cmp(m.free) > 0 {
		return a
	}
	return m.free
}

// group is how many packets at the head of the queue leave together, whether they are marked,
// when they have left, and what is left of sent.
func (m *model) group() (n int, mark bool, left, sent *big.Rat) {
	first := m.queue[0]
	begin := m.begin(first.arrival)
	wait := ceilOf(begin) - min(first.arrival, ceilOf(begin))
	mark = m.s.QueueMark != 0 && wait > m.s.QueueMark
	same := func(i int) bool { return i < len(m.queue) && m.queue[i].item == first.item }
	spent := new(big.Rat)
	each := m.takes(m.bits(first.each))
	for n = 1; same(n); n++ {
		spent.Add(spent, each)
		whole := new(big.Rat).Add(spent, each)
		if whole.Cmp(ratTime(50*microsecond)) > 0 {
			break
		}
		if m.s.QueueMark != 0 && !mark && new(big.Rat).Add(spent, ratTime(wait)).Cmp(ratTime(m.s.QueueMark)) > 0 {
			break
		}
	}
	cost := new(big.Rat)
	for _, p := range m.queue[:n] {
		cost.Add(cost, m.bits(p.bytes))
	}
	used := m.sent
	if used.Cmp(cost) > 0 {
		used = cost
	}
	sent = new(big.Rat).Sub(m.sent, used)
	left = new(big.Rat).Add(begin, m.takes(cost.Sub(cost, used)))
	return n, mark, left, sent
}

// push takes the packets of an item, and returns how many it keeps.
func (m *model) push(all []*packet) int {
	kept := 0
	for _, p := range all {
		if m.s.Rate != 0 && !m.fits(p, all[0]) {
			break
		}
		kept++
		if m.s.Rate != 0 {
			m.queue = append(m.queue, p)
		} else {
			m.delay(p, p.arrival+p.delay)
		}
	}
	for _, p := range all {
		p.kept = kept
	}
	return kept
}

// fits reports whether the queue has room for a packet, the first packet of whose item is first.
func (m *model) fits(p, first *packet) bool {
	m.serve(p.arrival)
	at := m.free
	packets, bytes := uint64(0), uint64(0)
	sent := m.sent
	for i, q := range m.queue {
		if i == 0 {
			at = m.begin(q.arrival)
		}
		if at.Cmp(ratTime(p.arrival)) > 0 {
			packets++
			bytes += q.bytes
		}
		cost := m.bits(q.bytes)
		used := sent
		if used.Cmp(cost) > 0 {
			used = cost
		}
		sent = new(big.Rat).Sub(sent, used)
		at = new(big.Rat).Add(at, m.takes(new(big.Rat).Sub(cost, used)))
	}
	if at.Cmp(ratTime(p.arrival)) <= 0 {
		return true // it is on the link at once
	}
	if m.s.QueuePackets != 0 && packets+1 > m.s.QueuePackets || m.s.QueueBytes != 0 && bytes+p.bytes > m.s.QueueBytes {
		return false
	}
	if m.s.QueueTime == 0 {
		return true
	}
	if p == first {
		return ceilOf(at)-p.arrival <= m.s.QueueTime
	}
	// The first packet of the item begins with a whole nanosecond.
	before := m.takes(new(big.Rat).Mul(m.bits(p.each), ratOf(uint64(p.index))))
	begin := ratTime(ceilOf(new(big.Rat).Sub(at, before)))
	return begin.Add(begin, before).Cmp(ratTime(p.arrival+m.s.QueueTime)) <= 0
}

// serve lets the link go on to a time.
func (m *model) serve(until policy.Time) {
	for len(m.queue) > 0 && m.s.Rate != 0 {
		n, mark, left, sent := m.group()
		if left.Cmp(ratTime(until)) > 0 {
			return
		}
		for _, p := range m.queue[:n] {
			p.mark = mark && p.capable
			m.delay(p, ceilOf(left)+p.delay)
		}
		m.queue, m.free, m.sent = m.queue[n:], left, sent
	}
}

// delay lets a packet wait.
func (m *model) delay(p *packet, due policy.Time) {
	if !m.s.Reordering {
		due = max(due, m.latest)
	}
	m.latest = max(m.latest, due)
	p.due, p.order = due, m.orders
	m.orders++
	m.delayed = append(m.delayed, p)
}

// advance lets everything happen that happens up to a time.
func (m *model) advance(now policy.Time) {
	m.serve(now)
	for m.pass(now) && m.step(now) {
	}
}

// step moves one packet out of the delay or of those aside.
func (m *model) step(now policy.Time) bool {
	slices.SortFunc(m.delayed, func(a, b *packet) int {
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.order, b.order))
	})
	back := func(at policy.Time) {
		p := m.asides[0]
		p.due = at
		m.asides, m.gated = m.asides[1:], append(m.gated, p)
	}
	switch {
	case len(m.asides) > 0 && m.asides[0].target <= m.passed:
		back(min(m.passAt, m.asides[0].due))
	case len(m.asides) > 0 && m.asides[0].due <= now && (len(m.delayed) == 0 || m.asides[0].due <= m.delayed[0].due):
		back(m.asides[0].due)
	case len(m.delayed) == 0 || m.delayed[0].due > now:
		return false
	default:
		p := m.delayed[0]
		m.delayed = m.delayed[1:]
		if p.behind > 0 {
			m.most = max(m.most, m.passed+p.behind)
			p.target = m.most
			p.due += 100 * millisecond
			m.asides = append(m.asides, p)
			return true
		}
		m.passed++
		m.passAt = p.due
		m.gated = append(m.gated, p)
	}
	return true
}

// pass lets packets leave at openings of the wire. It returns false if one waits for that.
func (m *model) pass(now policy.Time) bool {
	for len(m.gated) > 0 {
		p := m.gated[0]
		if m.s.SlotLength != nil {
			for m.slot.at < p.due || !m.slotRoom(p) {
				m.slot = m.slot.next(m.s)
				m.inSlot, m.slotUsed = 0, 0
			}
			if m.slot.at > now {
				return false
			}
			p.due = m.slot.at
			m.inSlot++
			m.slotUsed += p.bytes
		}
		m.gated, m.out = m.gated[1:], append(m.out, p)
	}
	return true
}

func (m *model) slotRoom(p *packet) bool {
	return m.inSlot == 0 ||
		(m.s.SlotPackets == 0 || uint64(m.inSlot)+1 <= m.s.SlotPackets) && (m.s.SlotBytes == 0 || m.slotUsed+p.bytes <= m.s.SlotBytes)
}

// next is the opening behind o.
func (o opening) next(s line.Settings) opening {
	end := s.SlotEpoch + policy.Time(o.era+1)*1024*s.SlotMean
	at := o.at + max(1, s.SlotLength(o.era<<20|o.slot))
	if at >= end {
		return opening{era: o.era + 1, at: end}
	}
	return opening{o.era, o.slot + 1, at}
}

// set changes the settings.
func (m *model) set(now policy.Time, s line.Settings) {
	m.advance(now)
	if m.s.Rate != 0 && len(m.queue) > 0 {
		if begin := ceilOf(m.begin(m.queue[0].arrival)); begin < now {
			bits := new(big.Rat).Mul(ratTime(now-begin), ratOf(m.s.Rate))
			bits.Quo(bits, ratOf(1_000_000_000))
			m.sent = new(big.Rat).Add(m.sent, ratOf(new(big.Int).Quo(bits.Num(), bits.Denom()).Uint64()))
			m.free = ratTime(now)
		}
	}
	m.s = s
	m.latest = min(m.latest, now+s.Longest)
	for _, p := range append(slices.Clone(m.delayed), m.queue...) {
		p.delay, p.behind = min(p.delay, s.Longest), min(p.behind, int(s.Behind))
	}
	for _, p := range m.delayed {
		p.due = min(p.due, now+s.Longest)
	}
	m.most = min(m.most, m.passed+int(s.Behind))
	for _, p := range m.asides {
		if p.target = min(p.target, m.most); s.Behind == 0 {
			p.due = now
		}
	}
	m.slot, m.inSlot, m.slotUsed = opening{at: s.SlotEpoch}, 0, 0
	for i, p := range m.gated {
		if i == 0 || p.due > now {
			p.due = min(p.due, now)
		}
	}
	m.free = ratTime(ceilOf(m.free))
	if s.Rate == 0 {
		for _, p := range m.queue {
			m.delay(p, now+p.delay)
		}
		m.queue, m.free, m.sent = nil, new(big.Rat), new(big.Rat)
	}
}
