package replay

import (
	"sync"
	"sync/atomic"

	"github.com/seed-39a139a1/insane/policy"
)

// Table finds the recorded verdicts of packets. It is used up as packets are met: who replays a
// recording again parses it again. Each direction may be looked up by one goroutine, both at the
// same time; the other methods are safe for all.
type Table struct {
	head        Head
	programs    []Program
	flows       map[Flow]*flow
	connections uint64
	packets     uint64
	counts      [2]struct {
		met, others atomic.Uint64
		_           [48]byte // the two directions count in cache lines of their own
	}
}

// Head returns what the recording is to be replayed with.
func (t *Table) Head() *Head { return &t.head }

// Programs are those that have judged, in the order that Packet.Program counts. Nobody changes them.
func (t *Table) Programs() []Program { return t.programs }

// Counts says how far a replay has come.
type Counts struct {
	Connections uint64 // that were recorded
	Packets     uint64 // that were recorded
	Met         uint64 // of these, packets that had their verdicts given to others
	Others      uint64 // packets that were not recorded
}

// Counts returns the present counts. It waits for nothing.
func (t *Table) Counts() Counts {
	c := Counts{Connections: t.connections, Packets: t.packets}
	for d := range t.counts {
		c.Met += t.counts[d].met.Load()
		c.Others += t.counts[d].others.Load()
	}
	return c
}

// Meet appends what was recorded of n packets of one identity that come in a direction; fewer than
// n, if fewer are left. It waits for nothing but, at the first packet of a connection, for another
// goroutine that meets the first one of a connection of the same flow.
func (t *Table) Meet(d policy.Direction, id *Identity, n int, to []Packet) []Packet {
	met := len(to)
	if c, side := t.find(id); c != nil {
		l := &c.lists[d][side]
		for range n {
			k, ok := l.next()
			if !ok {
				break
			}
			to = append(to, k)
		}
	}
	met = len(to) - met
	t.counts[d].met.Add(uint64(met))
	t.counts[d].others.Add(uint64(n - met))
	return to
}

// find returns the connection of a packet, and the side that has sent it: 0 the client, 1 the
// server. It returns nil if there is none.
func (t *Table) find(id *Identity) (c *connection, side int) {
	if id.role != answers {
		at, port := id.ofClient()
		if f := t.flows[at]; f != nil {
			if c := f.connection(port, id.opens); c != nil {
				return c, 0
			}
		}
	}
	if id.role != asks {
		at, port := id.ofServer()
		if f := t.flows[at]; f != nil {
			return f.connection(port, id.opens), 1
		}
	}
	return nil, 0
}

// connection is what is left of a recorded connection.
type connection struct {
	opens bool       // its first packet is a SYN
	lists [2][2]list // by direction, of those that the client and the server have sent
}

// flow is the connections that were recorded of a flow, in their order.
type flow struct {
	connections []connection

	mu    sync.Mutex    // for who gives a connection away
	given atomic.Uint32 // how many are

	// slots find the connection of a port. There are at least twice as many as connections, so
	// that there is always an empty one.
	slots []slot
	shift uint8
}

// slot is 0, or a port and behind it the place of a connection, plus 1.
type slot struct{ atomic.Uint64 }

const placeBits = 32

// connection returns the connection of a client's port. A port that is new gets the next one; nil:
// none is left, or the next one opens and the packet does not.
func (f *flow) connection(port uint16, opens bool) *connection {
	c, _ := f.known(port)
	if c != nil || int(f.given.Load()) == len(f.connections) {
		return c
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c, empty := f.known(port)
	next := f.given.Load()
	if c != nil || int(next) == len(f.connections) {
		return c
	}
	if c = &f.connections[next]; c.opens && !opens {
		return nil
	}
	empty.Store(uint64(port)<<placeBits | uint64(next+1))
	f.given.Store(next + 1)
	return c
}

// known returns the connection that a port has, or nil and the empty slot for it.
func (f *flow) known(port uint16) (*connection, *slot) {
	const golden = 0x9e3779b1
	mask := uint32(len(f.slots) - 1)
	for i := uint32(port) * golden >> f.shift; ; i++ {
		s := &f.slots[i&mask]
		switch v := s.Load(); {
		case v == 0:
			return nil, s
		case uint16(v>>placeBits) == port:
			return &f.connections[uint32(v)-1], nil
		}
	}
}
