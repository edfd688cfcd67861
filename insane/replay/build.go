package replay

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insane/session"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// Builder makes what a daemon takes of the entries of a recording. It is for one goroutine.
type Builder struct {
	judges      judges
	packets     []Packet
	connections map[ends]*conversation
	order       []*conversation
	queued      map[packetKey]int32 // the packets that go through the queue of a link, by their places in packets
	frame       frame.Frame
}

// packetKey identifies a packet of a recording.
type packetKey struct {
	direction policy.Direction
	series    uint32
	number    uint64
}

// conversation is a connection as it was recorded.
type conversation struct {
	ends
	first     policy.Time // when its first packet arrived
	direction policy.Direction
	upper     bool // the upper end has sent that packet
	opens     bool // that packet is a SYN
	client    end
	lists     [2][2][]int32 // places in packets, by direction, of those that the lower and the upper end have sent
}

// end is an end of a connection.
type end uint8

const (
	unknown end = iota
	lower
	upper
)

// NewBuilder begins a recording with this header. The error says for a user why such a recording
// cannot be replayed.
func NewBuilder(h ledger.Header) (*Builder, error) {
	switch {
	case h.Lost:
		return nil, errors.New("it has only what was lost (--lost): which packets these were of their flows is not known")
	case h.Rule != "":
		return nil, fmt.Errorf("it has only the packets of rule %s (--rule): record it without", h.Rule)
	case h.Snaplen != 0 && h.Snaplen < MinSnaplen:
		return nil, fmt.Errorf("it has %d bytes of each packet, which may lack headers: record it with --snaplen %d or more, or without", h.Snaplen, MinSnaplen)
	}
	return &Builder{judges: newJudges(), connections: make(map[ends]*conversation), queued: make(map[packetKey]int32)}, nil
}

// Add adds an entry, in the order of the recording, and the program that it names; nil: it names
// none, or the recording does not have it. The error is for a user.
func (b *Builder) Add(e *ledger.Entry, p *ledger.Program) error {
	switch {
	case e.Neighbour || strings.HasPrefix(e.Rule, session.RuleName):
		return nil // nothing to replay: they have no verdict, or belong to the person and not to the test
	case e.Kind == ledger.Refused && e.Why == ledger.WhyQueue:
		if i, there := b.queued[packetKey{e.Direction, e.Series, e.Number}]; there {
			b.packets[i].Queue.Add(e.Ordinal)
		}
		return nil
	case e.Kind != ledger.Arrived || e.Why == api.DropMalformed || e.Why == api.DropUnreadable:
		return nil // a frame that cannot be judged cannot be judged at the next time
	case p == nil:
		return fmt.Errorf("%s %d: the recording lacks the program that judged it", e.Direction, e.Number)
	case len(b.packets) >= MaxPackets:
		return limitf("packets", MaxPackets)
	}
	place, err := b.judges.place(p)
	if err != nil {
		return err
	}
	b.frame = append(append(b.frame[:0], make([]byte, frame.HeaderLen)...), e.Bytes...)
	k := Packet{Verdict: e.Verdict, Program: place, Number: e.Number, Judged: e.Judged}
	if e.Why != "" { // nobody asked for its verdict
		k.Verdict = b.judges.programs[place].Decide(e.Judged, e.Number).Settle(frame.Capable(b.frame))
	}
	b.judges.note(place, &k.Verdict)
	if b.judges.programs[place].Stages&(1<<policy.ByRate) != 0 {
		b.queued[packetKey{e.Direction, e.Series, e.Number}] = int32(len(b.packets))
	}
	id := Identify(b.frame)
	c, err := b.conversation(&id)
	if err != nil {
		return err
	}
	c.add(&id, e, int32(len(b.packets)))
	b.packets = append(b.packets, k)
	return nil
}

// conversation returns the connection of a packet.
func (b *Builder) conversation(id *Identity) (*conversation, error) {
	at := id.ends()
	c := b.connections[at]
	if c == nil {
		if len(b.order) >= MaxConnections {
			return nil, limitf("connections", MaxConnections)
		}
		c = &conversation{ends: at, first: ^policy.Time(0)}
		b.connections[at] = c
		b.order = append(b.order, c)
	}
	return c, nil
}

// add adds a packet to a connection.
func (c *conversation) add(id *Identity, e *ledger.Entry, place int32) {
	from := id.reversed()
	if e.Time < c.first || e.Time == c.first && e.Direction < c.direction {
		c.first, c.direction, c.upper, c.opens = e.Time, e.Direction, from, id.opens
	}
	if id.role != either && c.client == unknown {
		c.client = lower
		if from == (id.role == asks) {
			c.client = upper
		}
	}
	at := 0
	if from {
		at = 1
	}
	c.lists[e.Direction][at] = append(c.lists[e.Direction][at], place)
}

// flow returns the flow of a connection, the port of its client, and the lists by direction, of
// those that the client and the server have sent.
func (c *conversation) flow() (f Flow, port uint16, lists [2][2][]int32) {
	if c.client == upper || c.client == unknown && c.upper {
		f, port = c.turned()
		for d, of := range c.lists {
			lists[d] = [2][]int32{of[1], of[0]}
		}
		return f, port, lists
	}
	return c.ends.flow, c.port, c.lists
}

// Body returns what a daemon takes, with a head that has everything but Programs. The policies of
// its setup become those that judged last. The error is for a user.
func (b *Builder) Body(h Head) ([]byte, error) {
	if err := b.judges.settle(&h.Setup); err != nil {
		return nil, err
	}
	h.Programs = b.judges.list
	h.Name = h.Name[:min(len(h.Name), MaxName)]
	slices.SortStableFunc(b.order, func(one, two *conversation) int { return cmp.Compare(one.first, two.first) })
	var flows []flowBody
	places := make(map[Flow]int)
	for _, c := range b.order {
		f, _, lists := c.flow()
		i, there := places[f]
		if !there {
			i = len(flows)
			places[f], flows = i, append(flows, flowBody{flow: f})
		}
		flows[i].connections = append(flows[i].connections, b.connection(c, lists))
	}
	return appendBody(nil, h, flows)
}

// connection makes the lists of a connection.
func (b *Builder) connection(c *conversation, lists [2][2][]int32) (to connectionBody) {
	to.opens = c.opens
	for d := range lists {
		for side, places := range lists[d] {
			var l list
			for _, i := range places {
				l.append(&b.packets[i])
			}
			to.lists[d][side] = listBody{len(places), l.rest}
		}
	}
	return to
}
