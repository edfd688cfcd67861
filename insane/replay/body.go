package replay

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"

	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/policy"
)

// Magic begins the form that a daemon takes. Its last byte is the version of what follows: the
// length of the head, the head, how many flows there are, and the flows. A flow is its fields as
// they stand in Flow, and its connections; a connection is whether it opens with a SYN and its four
// lists; a list is how many packets it has, how many bytes, and these. Lengths and counts are
// variable integers of encoding/binary, and fields are little-endian.
const Magic = "insaneR\x01"

// flowBody is a flow that is written.
type flowBody struct {
	flow        Flow
	connections []connectionBody
}

// connectionBody is a connection that is written.
type connectionBody struct {
	opens bool
	lists [2][2]listBody // by direction, of those that the client and the server have sent
}

// listBody is packets that are written.
type listBody struct {
	packets int
	bytes   []byte
}

const flowLen = 16 + 16 + 2 + 2 + 2 + 1

// appendBody appends what Parse reads. The error is ErrLimit.
func appendBody(b []byte, h Head, flows []flowBody) ([]byte, error) {
	head, err := json.Marshal(h)
	if err != nil {
		panic(err) // it has only what can be encoded
	}
	if len(head) > MaxHead {
		return nil, limitf("bytes of policies and rules", MaxHead)
	}
	b = append(b, Magic...)
	b = append(binary.AppendUvarint(b, uint64(len(head))), head...)
	b = binary.AppendUvarint(b, uint64(len(flows)))
	for _, f := range flows {
		b = append(append(b, f.flow.Client[:]...), f.flow.Server[:]...)
		for _, n := range [...]uint16{f.flow.EtherType, f.flow.VLAN, f.flow.Port} {
			b = binary.LittleEndian.AppendUint16(b, n)
		}
		b = append(b, f.flow.Protocol)
		b = binary.AppendUvarint(b, uint64(len(f.connections)))
		for _, c := range f.connections {
			b = appendConnection(b, &c)
		}
	}
	if len(b) > MaxBody {
		return nil, limitf("bytes", MaxBody)
	}
	return b, nil
}

// appendConnection appends a connection.
func appendConnection(b []byte, c *connectionBody) []byte {
	opens := byte(0)
	if c.opens {
		opens = 1
	}
	b = append(b, opens)
	for _, lists := range c.lists {
		for _, l := range lists {
			b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(l.packets)), uint64(len(l.bytes)))
			b = append(b, l.bytes...)
		}
	}
	return b
}

// Parse reads what Builder has made, and keeps it. The error wraps ErrFormat or ErrLimit and is for
// a user. The policies and the rules of the head are not read yet.
func Parse(body []byte) (*Table, error) {
	if len(body) > MaxBody {
		return nil, limitf("bytes", MaxBody)
	}
	r := cursor{rest: body}
	if string(r.take(uint64(len(Magic)))) != Magic {
		return nil, fmt.Errorf("%w: it does not begin as one of this version does", ErrFormat)
	}
	t := &Table{flows: make(map[Flow]*flow)}
	if err := json.Unmarshal(r.take(r.number(MaxHead)), &t.head); err != nil || r.bad {
		return nil, fmt.Errorf("%w: its head makes no sense", ErrFormat)
	}
	if err := t.compile(); err != nil {
		return nil, err
	}
	for range r.number(MaxConnections) {
		if err := t.parseFlow(&r); err != nil {
			return nil, err
		}
	}
	if r.bad || len(r.rest) > 0 {
		return nil, fmt.Errorf("%w: it is cut off, or longer than it says", ErrFormat)
	}
	return t, nil
}

// compile makes the programs that have judged.
func (t *Table) compile() error {
	switch {
	case len(t.head.Name) > MaxName:
		return fmt.Errorf("%w: its name is longer than %d bytes", ErrLimit, MaxName)
	case len(t.head.Programs) > MaxPrograms:
		return limitf("programs", MaxPrograms)
	}
	t.programs = make([]Program, len(t.head.Programs))
	for i := range t.programs {
		p := &t.head.Programs[i]
		parsed, err := policy.Parse(p.Policy)
		switch {
		case err != nil:
			return fmt.Errorf("%w: a policy of it: %w", ErrFormat, err)
		case p.Direction > policy.RX:
			return fmt.Errorf("%w: a program of the unknown direction %d", ErrFormat, p.Direction)
		}
		t.programs[i] = Program{Told: *p, Policy: &parsed, Compiled: parsed.CompileAt(policy.Start{Epoch: p.Epoch, Seed: p.Seed, First: p.First})}
	}
	return nil
}

// Program is a program of a recording.
type Program struct {
	Told     ledger.Program
	Policy   *policy.Policy
	Compiled policy.Program
}

// parseFlow reads a flow.
func (t *Table) parseFlow(r *cursor) error {
	var f Flow
	if b := r.take(flowLen); b != nil {
		order := binary.LittleEndian
		f = Flow{
			Client: [16]byte(b), Server: [16]byte(b[16:]), EtherType: order.Uint16(b[32:]), VLAN: order.Uint16(b[34:]),
			Port: order.Uint16(b[36:]), Protocol: b[38],
		}
	}
	if _, there := t.flows[f]; there && !r.bad {
		return fmt.Errorf("%w: a flow is in it twice", ErrFormat)
	}
	n := r.number(MaxConnections)
	if t.connections += n; t.connections > MaxConnections {
		return limitf("connections", MaxConnections)
	}
	if n > uint64(len(r.rest)) {
		r.bad = true
		n = 0
	}
	to := &flow{connections: make([]connection, n)}
	for i := range to.connections {
		if err := t.parseConnection(r, &to.connections[i]); err != nil {
			return err
		}
	}
	to.shift = uint8(32 - bits.Len(uint(2*n)))
	to.slots = make([]slot, 1<<(32-to.shift))
	t.flows[f] = to
	if r.bad {
		return fmt.Errorf("%w: a flow is cut off", ErrFormat)
	}
	return nil
}

// parseConnection reads a connection, and looks whether each of its packets can be read.
func (t *Table) parseConnection(r *cursor, c *connection) error {
	c.opens = r.byte() == 1
	for d := range c.lists {
		for side := range c.lists[d] {
			packets := r.number(MaxPackets)
			if t.packets += packets; t.packets > MaxPackets {
				return limitf("packets", MaxPackets)
			}
			l := list{rest: r.take(r.number(MaxBody))}
			c.lists[d][side] = l
			for range packets {
				k, ok := l.next()
				if !ok || k.Program >= uint32(len(t.programs)) || t.programs[k.Program].Told.Direction != policy.Direction(d) {
					return fmt.Errorf("%w: a packet of it makes no sense", ErrFormat)
				}
			}
			if len(l.rest) > 0 {
				return fmt.Errorf("%w: a list has more packets than it says", ErrFormat)
			}
		}
	}
	return nil
}
