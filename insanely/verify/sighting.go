package verify

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/insanely/verify/packet"
	"github.com/seed-39a139a1/insane/insanely/verify/witness"
	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/match"
)

// sighting is what is kept of a packet that was seen at one of the four ends.
type sighting struct {
	at             int64
	id             packet.Identity
	flow, back     uint64 // of the packet, and of its answers
	source, target [16]byte
	bytes          uint32
	rule           int32 // its place in the list of rules, or spared
	marks          marks
}

type marks uint8

const (
	capable marks = 1 << iota
	congested
	broken
	group
	cut
)

// spared is the place of messages of neighbours that no policy judges.
const spared = -1

// collection keeps all packets that were seen. Frames of different places may be added at once.
type collection struct {
	tables          [2]table
	judgeNeighbours bool
	seen            [witness.Places][]sighting
	unreadable      [witness.Places]uint64 // super-frames that could not be taken apart
	overflow        atomic.Uint64          // packets for which there was no room
	salt            maphash.Seed
}

// most is how many packets of a place are kept: some hundreds of MiB.
const most = 4 << 20

// table finds the rule of a packet in one direction.
type table struct {
	index  *match.Table
	places []int32 // of those that look at this direction, in the list of all
	other  int32   // the place of the direction's own policy

	// The same for those that judge messages of neighbours.
	neighbours       *match.Table
	neighboursPlaces []int32
}

// newCollection makes an empty one for these rules, the last of which are the policies of the
// directions.
func newCollection(rules []api.Rule, judgeNeighbours bool) (*collection, error) {
	c := &collection{judgeNeighbours: judgeNeighbours, salt: maphash.MakeSeed()}
	for d := range c.tables {
		t := &c.tables[d]
		var list, named []match.Match
		for i, r := range rules[:len(rules)-1] {
			if directionOf(r, policy.Direction(d)) == nil {
				continue
			}
			m, err := readMatch(r.Match)
			if err != nil {
				return nil, err
			}
			list = append(list, m)
			t.places = append(t.places, int32(i))
			if m.NamesNeighbours() {
				named = append(named, m)
				t.neighboursPlaces = append(t.neighboursPlaces, int32(i))
			}
		}
		t.index, t.neighbours, t.other = match.NewTable(list), match.NewTable(named), int32(len(rules)-1)
	}
	return c, nil
}

// directionOf returns one direction of a rule; nil if it does not look at it.
func directionOf(r api.Rule, d policy.Direction) *api.RuleDirection {
	if d == policy.RX {
		return r.RX
	}
	return r.TX
}

// see is the function of a witness.
func (c *collection) see(s witness.Sight) {
	t := &c.tables[policy.TX]
	if s.Place == witness.SlaveHears || s.Place == witness.HostHears {
		t = &c.tables[policy.RX]
	}
	if !s.Each(func(p packet.Packet) { c.add(s.Place, s.At, &p, t) }) {
		c.unreadable[s.Place]++
	}
}

func (c *collection) add(place witness.Place, at int64, p *packet.Packet, t *table) {
	s := sighting{at: at, id: p.Identity, bytes: p.Length, source: p.Key.Source, target: p.Key.Destination}
	s.rule = t.rule(p, !c.judgeNeighbours)
	s.marks = mark(capable, p.Capable) | mark(congested, p.Congested) | mark(broken, p.Broken) | mark(group, p.Group) | mark(cut, p.Cut)
	s.flow = c.flowOf(p.Key.Source, p.Key.Destination, p.Key.SourcePort, p.Key.DestinationPort, p.Key.Protocol)
	s.back = c.flowOf(p.Key.Destination, p.Key.Source, p.Key.DestinationPort, p.Key.SourcePort, p.Key.Protocol)
	if len(c.seen[place]) >= most {
		c.overflow.Add(1)
		return
	}
	c.seen[place] = append(c.seen[place], s)
}

// rule returns the place of the rule that judges a packet. Messages of neighbours that are to be
// spared are judged only by rules that name them.
func (t *table) rule(p *packet.Packet, spare bool) int32 {
	if spare && p.Neighbour {
		if found, ok := t.neighbours.Lookup(&p.Key, p.Length); ok {
			return t.neighboursPlaces[found]
		}
		return spared
	}
	if found, ok := t.index.Lookup(&p.Key, p.Length); ok {
		return t.places[found]
	}
	return t.other
}

// mark returns a mark if it is on.
func mark(m marks, on bool) marks {
	if on {
		return m
	}
	return 0
}

// readMatch reads the canonical text of a match.
func readMatch(text string) (match.Match, error) {
	m, err := match.Parse(strings.Fields(text))
	if err != nil {
		return m, fmt.Errorf("read match %q: %w", text, err)
	}
	return m, nil
}

// flowOf returns a number of a flow, in one direction.
func (c *collection) flowOf(source, target [16]byte, from, to uint16, protocol uint8) uint64 {
	var b [37]byte
	copy(b[:], source[:])
	copy(b[16:], target[:])
	b[32], b[33], b[34], b[35], b[36] = byte(from), byte(from>>8), byte(to), byte(to>>8), protocol
	return maphash.Bytes(c.salt, b[:])
}

// sort puts the packets of each place in the order of time, as the processors report by
// themselves. Those of one frame stay in their order. Later ones than until are forgotten: not all
// places were watched any more.
func (c *collection) sort(until int64) {
	for i := range c.seen {
		c.seen[i] = slices.DeleteFunc(c.seen[i], func(s sighting) bool { return s.at > until })
		slices.SortStableFunc(c.seen[i], func(a, b sighting) int { return cmp.Compare(a.at, b.at) })
	}
}
