package replay_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insane/replay"
	"github.com/seed-39a139a1/insane/policy"
)

// program has judged all packets of the tests.
var program = ledger.Program{ID: 1, Policy: "percent 50 duplicate 10", Seed: 7}

// setup is what was asked for.
var setup = ledger.Setup{Seed: 7, TX: program.Policy, RX: "pass", Rules: "few: port 7 both pass\n"}

const (
	tcp, udp, icmp = 6, 17, 1
	syn, ack       = 2, 16
)

// packet makes an IPv4 packet from and to hosts and ports. kind is the flags of TCP, or the type of ICMP,
// which has the identifier in place of the source port.
func packet(protocol, from, to byte, source, destination uint16, kind byte) frame.Frame {
	f := make(frame.Frame, frame.HeaderLen+14+40)
	e := f[frame.HeaderLen:]
	e[12], e[14], e[23] = 8, 0x45, protocol
	e[29], e[33] = from, to
	p := e[34:]
	if protocol == icmp {
		p[0] = kind
		binary.BigEndian.PutUint16(p[4:], source)
		return f
	}
	binary.BigEndian.PutUint16(p, source)
	binary.BigEndian.PutUint16(p[2:], destination)
	p[13] = kind
	return f
}

// recorder makes a recording of packets, whose verdicts are delays: 1 ns for the first packet, 2 ns for the
// second one, and so on.
type recorder struct {
	t *testing.T
	*replay.Builder
	n uint64
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	b, err := replay.NewBuilder(ledger.Header{})
	if err != nil {
		t.Fatal(err)
	}
	return &recorder{t: t, Builder: b}
}

func (r *recorder) add(d policy.Direction, f frame.Frame) {
	r.t.Helper()
	r.n++
	p := program
	p.Direction = d
	e := ledger.Entry{Kind: ledger.Arrived, Direction: d, Program: 1, Number: r.n, Time: policy.Time(r.n), Judged: policy.Time(r.n),
		Bytes: f[frame.HeaderLen:], Length: uint32(len(f) - frame.HeaderLen), Verdict: policy.Verdict{Change: policy.Change{Copies: uint32(r.n)}}}
	if err := r.Add(&e, &p); err != nil {
		r.t.Fatal(err)
	}
}

func (r *recorder) body() []byte {
	r.t.Helper()
	body, err := r.Body(replay.Head{Name: "run", Setup: setup})
	if err != nil {
		r.t.Fatal(err)
	}
	return body
}

func (r *recorder) table() *replay.Table {
	r.t.Helper()
	table, err := replay.Parse(r.body())
	if err != nil {
		r.t.Fatal(err)
	}
	return table
}

// met returns which recorded packet a packet is; 0: none.
func met(table *replay.Table, d policy.Direction, f frame.Frame) uint64 {
	id := replay.Identify(f)
	list := table.Meet(d, &id, 1, nil)
	if len(list) == 0 {
		return 0
	}
	return list[0].Number
}

// A packet is known by its flow and its place in the connection, whatever the ephemeral port is. The k-th
// new port has the k-th connection.
func TestMeet(t *testing.T) {
	const tx, rx = policy.TX, policy.RX
	r := newRecorder(t)
	r.add(tx, packet(udp, 1, 2, 4001, 53, 0)) // 1
	r.add(rx, packet(udp, 2, 1, 53, 4001, 0)) // 2
	r.add(tx, packet(udp, 1, 2, 4002, 53, 0)) // 3: the second connection
	r.add(tx, packet(udp, 1, 2, 4001, 53, 0)) // 4
	r.add(rx, packet(tcp, 3, 1, 5001, 80, syn))
	r.add(tx, packet(tcp, 1, 3, 80, 5001, syn|ack)) // 6: from the server
	r.add(tx, packet(tcp, 1, 3, 80, 5001, ack))
	r.add(tx, packet(icmp, 1, 2, 77, 0, 8))
	r.add(rx, packet(icmp, 2, 1, 77, 0, 0)) // 9: the answer
	r.add(rx, packet(icmp, 9, 1, 0, 0, 11)) // 10: from a router
	r.add(tx, packet(tcp, 1, 4, 80, 6001, syn|ack))
	r.add(rx, packet(tcp, 4, 1, 6001, 80, ack)) // 12: the SYN is not recorded, and yet the client is known
	r.add(tx, packet(tcp, 1, 5, 443, 7001, ack))
	table := r.table()
	for i, c := range []struct {
		d    policy.Direction
		f    frame.Frame
		want uint64
	}{
		{rx, packet(udp, 2, 1, 53, 9001, 0), 2}, // the server's packet comes first
		{tx, packet(udp, 1, 2, 9002, 53, 0), 3},
		{tx, packet(udp, 1, 2, 9001, 53, 0), 1},
		{tx, packet(udp, 1, 2, 9003, 53, 0), 0}, // there is no third connection
		{tx, packet(udp, 1, 2, 9001, 53, 0), 4},
		{tx, packet(udp, 1, 2, 9001, 53, 0), 0}, // there is no third packet
		{tx, packet(udp, 1, 2, 9001, 54, 0), 0},
		{tx, packet(udp, 1, 3, 9001, 53, 0), 0},
		{tx, packet(tcp, 1, 2, 9001, 53, syn), 0},
		{rx, packet(tcp, 3, 1, 9005, 80, ack), 0}, // of a connection of before
		{tx, packet(tcp, 1, 3, 80, 9005, ack), 0},
		{rx, packet(tcp, 3, 1, 9006, 80, syn), 5},
		{tx, packet(tcp, 1, 3, 80, 9006, syn|ack), 6},
		{tx, packet(tcp, 1, 3, 80, 9005, ack), 0},
		{tx, packet(tcp, 1, 3, 80, 9006, ack), 7},
		{rx, packet(icmp, 2, 1, 88, 0, 0), 9},
		{tx, packet(icmp, 1, 2, 88, 0, 8), 8},
		{tx, packet(icmp, 1, 2, 89, 0, 8), 0},
		{rx, packet(icmp, 9, 1, 0, 0, 3), 0}, // of another type
		{rx, packet(icmp, 9, 1, 0, 0, 11), 10},
		{rx, packet(tcp, 4, 1, 9007, 80, ack), 12},
		{tx, packet(tcp, 1, 4, 80, 9007, syn|ack), 11},
		{tx, packet(tcp, 1, 5, 443, 7001, ack), 13}, // whose client nobody knows: the first sender counts
	} {
		if got := met(table, c.d, c.f); got != c.want {
			t.Errorf("case %d: packet %d, want %d", i, got, c.want)
		}
	}
	if c := table.Counts(); c != (replay.Counts{Connections: 7, Packets: 13, Met: 13, Others: 10}) {
		t.Errorf("%+v", c)
	}
}

// Both directions meet the first packets of connections at the same time: each port has one connection.
func TestMeetAtOnce(t *testing.T) {
	const connections = 2000
	r := newRecorder(t)
	r.n = 0
	for i := range uint16(connections) {
		for _, d := range []policy.Direction{policy.TX, policy.RX} {
			f := packet(udp, 1, 2, 10_000+i, 53, 0)
			if d == policy.RX {
				f = packet(udp, 2, 1, 53, 10_000+i, 0)
			}
			r.n = uint64(i) % 50 // what is told of a packet: that of its connection
			r.add(d, f)
		}
	}
	table := r.table()
	var got [2][connections]uint64
	var both sync.WaitGroup
	for d := range got {
		both.Go(func() {
			for i := range uint16(connections) {
				f := packet(udp, 1, 2, 40_000-i, 53, 0)
				if d == 1 {
					f = packet(udp, 2, 1, 53, 40_000-i, 0)
				}
				got[d][i] = met(table, policy.Direction(d), f)
			}
		})
	}
	both.Wait()
	if got[0] != got[1] {
		t.Error("a port has two connections")
	}
	if c := table.Counts(); c.Met != 2*connections || c.Others != 0 {
		t.Errorf("%+v", c)
	}
}

// A packet that was refused before anybody asked for its verdict has the one that it would have had, and what
// the queue has lost is known by its copies. Neighbours and the session of the person are left out.
func TestAdd(t *testing.T) {
	r := newRecorder(t)
	f := packet(udp, 1, 2, 4001, 53, 0)
	linked := ledger.Program{ID: 2, Policy: "rate 1mbit queue 1 duplicate 100"}
	add := func(e ledger.Entry, p *ledger.Program) {
		t.Helper()
		e.Bytes, e.Length = f[frame.HeaderLen:], 54
		if err := r.Add(&e, p); err != nil {
			t.Fatal(err)
		}
	}
	compiled, err := program.Compile()
	if err != nil {
		t.Fatal(err)
	}
	lost := uint64(0)
	for !compiled.Decide(0, lost).Lost() {
		lost++
	}
	add(ledger.Entry{Kind: ledger.Arrived, Program: 1, Number: lost, Why: "slave-down"}, &program)
	add(ledger.Entry{Kind: ledger.Arrived, Number: 1, Why: "malformed"}, nil)
	add(ledger.Entry{Kind: ledger.Arrived, Number: 1, Neighbour: true}, nil)
	add(ledger.Entry{Kind: ledger.Arrived, Number: 1, Rule: "ssh-session-2"}, nil)
	add(ledger.Entry{Kind: ledger.Arrived, Program: 2, Number: 9, Verdict: policy.Verdict{Change: policy.Change{Copies: 70}}}, &linked)
	for _, ordinal := range []uint32{0, 64, 70} {
		add(ledger.Entry{Kind: ledger.Refused, Number: 9, Ordinal: ordinal, Why: ledger.WhyQueue}, nil)
	}
	add(ledger.Entry{Kind: ledger.Refused, Number: 9, Ordinal: 1, Why: ledger.WhyMemory}, nil)
	add(ledger.Entry{Kind: ledger.Left, Number: 9, Ordinal: 2}, nil)
	table := r.table()
	id := replay.Identify(f)
	list := table.Meet(policy.TX, &id, 5, nil)
	if len(list) != 2 || !list[0].Verdict.Lost() || list[0].Verdict.By != policy.ByPercent {
		t.Fatalf("%+v", list)
	}
	for ordinal := range uint32(200) {
		if want := ordinal == 0 || ordinal == 64 || ordinal == 70; list[1].Queue.Has(ordinal) != want {
			t.Errorf("copy %d: lost by the queue %v", ordinal, !want)
		}
	}
	if s := table.Head().Setup; s.TX != linked.Policy || s.Seed != 7 || s.Rules != setup.Rules {
		t.Errorf("%+v", s)
	}
}

// A recording that cannot be replayed is refused, and the error says why.
func TestRefusedRecordings(t *testing.T) {
	f := packet(udp, 1, 2, 4001, 53, 0)
	wait := policy.Verdict{Delay: 5}
	for want, entries := range map[string][]any{
		"lacks the program":            {ledger.Entry{}},
		"a policy of the recording":    {ledger.Entry{Program: 1}, ledger.Program{ID: 1, Policy: "nonsense"}},
		"rule api came while":          {ledger.Entry{Program: 1}, ledger.Program{ID: 1, Policy: "pass", Rule: "api"}},
		"with the second one nothing":  {ledger.Entry{Program: 1, Verdict: wait}, ledger.Program{ID: 1, Policy: "delay 5ms"}, ledger.Entry{Program: 2}, ledger.Program{ID: 2, Policy: "pass"}},
		"the policy of rule few chang": {ledger.Entry{Program: 1, Verdict: wait}, ledger.Program{ID: 1, Policy: "delay 5ms", Rule: "few"}, ledger.Entry{Program: 2}, ledger.Program{ID: 2, Policy: "pass", Rule: "few"}},
	} {
		r := newRecorder(t)
		var err error
		for i := 0; i < len(entries) && err == nil; i += 2 {
			e := entries[i].(ledger.Entry)
			e.Kind, e.Bytes = ledger.Arrived, f[frame.HeaderLen:]
			var p *ledger.Program
			if i+1 < len(entries) {
				told := entries[i+1].(ledger.Program)
				p = &told
			}
			err = r.Add(&e, p)
		}
		if err == nil {
			_, err = r.Body(replay.Head{Setup: setup})
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", want, err)
		}
	}
	for want, s := range map[string]ledger.Setup{"of another version": {}, "left out": {TX: "pass", RX: "pass", RulesLeftOut: true}} {
		if _, err := newRecorder(t).Body(replay.Head{Setup: s}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// There are limits, which the errors name.
func TestLimits(t *testing.T) {
	f := packet(udp, 1, 2, 4001, 53, 0)
	for _, c := range []struct {
		packets, connections int
		want                 string
	}{
		{replay.MaxPackets, 0, "more than 1000000 packets"}, {0, replay.MaxConnections, "more than 100000 connections"},
		{replay.MaxPackets - 1, replay.MaxConnections - 1, ""},
	} {
		r := newRecorder(t)
		r.Fill(c.packets, c.connections)
		e := ledger.Entry{Kind: ledger.Arrived, Program: 1, Bytes: f[frame.HeaderLen:]}
		err := r.Add(&e, &program)
		if (err == nil) != (c.want == "") || err != nil && (!errors.Is(err, replay.ErrLimit) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: %v", c.want, err)
		}
	}
	if _, err := replay.Parse(make([]byte, replay.MaxBody+1)); !errors.Is(err, replay.ErrLimit) || !strings.Contains(err.Error(), "33554432 bytes") {
		t.Error(err)
	}
}

// seeds are bodies of recordings.
func seeds(t *testing.T) (bodies [][]byte) {
	r := newRecorder(t)
	bodies = append(bodies, r.body())
	for i := range uint16(20) {
		r.add(policy.Direction(i%2), packet(udp, 1+byte(i%2), 2-byte(i%2), 4000*(1-i%2)+53, 4000*(i%2)+53, 0))
		r.add(policy.TX, packet(tcp, 1, 2, 5000+i, 80, syn))
	}
	return append(bodies, r.body())
}

// A body that is cut off or too long is refused, wherever that is.
func TestCutOff(t *testing.T) {
	whole := seeds(t)[1]
	for n := range whole {
		if _, err := replay.Parse(whole[:n]); !errors.Is(err, replay.ErrFormat) {
			t.Fatalf("cut off at %d: %v", n, err)
		}
	}
	if _, err := replay.Parse(append(whole, 0)); !errors.Is(err, replay.ErrFormat) {
		t.Errorf("too long: %v", err)
	}
}

// A table that Parse has made answers any look-up: any bytes give an error or a table with as many packets as it says.
func FuzzParse(f *testing.F) {
	for _, body := range seeds(&testing.T{}) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		table, err := replay.Parse(body)
		if err != nil {
			if !errors.Is(err, replay.ErrFormat) && !errors.Is(err, replay.ErrLimit) || strings.Contains(err.Error(), "\n") {
				t.Fatal(err)
			}
			return
		}
		for i := range uint16(40) {
			for _, flags := range []byte{syn, ack} {
				for _, protocol := range []byte{tcp, udp} {
					id := replay.Identify(packet(protocol, 1, 2, 5000+i%20, 80-i/20*27, flags))
					for _, k := range table.Meet(policy.Direction(i%2), &id, 10, nil) {
						p := table.Programs()[k.Program].Compiled
						if k.Verdict.Copies > 100 || len(p.Flip(nil, k.Number, 0, 100)) > 100 || p.Copy(k.Judged, k.Number, 1).Lost() {
							t.Fatalf("%+v", k)
						}
					}
				}
			}
		}
		if c := table.Counts(); c.Met > c.Packets {
			t.Fatalf("%+v", c)
		}
	})
}
