package relay

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/ledger"
	"github.com/seed-39a139a1/insane/insane/line"
	"github.com/seed-39a139a1/insane/insane/port/porttest"
	"github.com/seed-39a139a1/insane/insane/replay"
	"github.com/seed-39a139a1/insane/policy"
)

// The traffic of the tests of replays: 10⁵ packets without the race detector.
const (
	flowsReplayed       = 25
	connectionsReplayed = 8   // of each flow
	burstReplayed       = 250 // packets, then some time passes
)

// packetName names a packet whatever its ephemeral port is: flow, connection, direction, number.
type packetName [4]uint16

// both is the relays of both directions, which run in virtual time and are recorded.
type both struct {
	*Pair
	sides     [2]*holder
	recorders [2]*ledger.Recorder
	streams   [2][]byte
}

func newBoth(t *testing.T) *both {
	t.Helper()
	b := new(both)
	for d := range b.sides {
		h := &holder{t: t, near: porttest.New(4*burstReplayed, 0), far: porttest.New(1<<14, 0), began: time.Now(), ended: make(chan error, 1)}
		h.near.Clock = func() policy.Time { return 1 + policy.Time(time.Since(h.began)) }
		h.Relay = New(Options{Clock: h.near.Clock, Log: slog.New(slog.DiscardHandler), Limit: time.Second, Memory: line.NewMemory(budget, nil)})
		h.SetEnd(&End{Port: h.far})
		go func() {
			for range h.far.Out {
			}
		}()
		b.sides[d], b.recorders[d] = h, ledger.NewRecorder(policy.Direction(d), ledger.Filter{}, 4<<20)
		b.streams[d] = ledger.AppendHeader(make([]byte, 0, 32<<20), ledger.Header{})
	}
	b.Pair = NewPair(b.sides[0].Relay, b.sides[1].Relay, 1)
	b.SetPolicies(new(policy.Policy), new(policy.Policy), 1)
	for d, h := range b.sides {
		h.Record(b.recorders[d])
		go func() { h.ended <- h.Run(h.near, nil) }()
	}
	return b
}

// pass lets time pass, and takes what was recorded.
func (b *both) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	for i, r := range b.recorders {
		first, second := r.Pull()
		b.streams[i] = append(append(b.streams[i], first...), second...)
		r.Done(len(first) + len(second))
	}
}

// end ends the relays.
func (b *both) end() {
	for _, h := range b.sides {
		h.near.Close()
		<-h.ended
		close(h.far.Out)
	}
}

// stream is the packets of a connection that are still to be sent.
type stream struct {
	flow, connection int
	port             uint16
	sent             [2]int // by direction
	burst            int    // when it began
}

// send sends the packets of all connections, in an order that a seed makes, with ephemeral ports of
// its own. A connection has its number by when it begins. Each list of its packets is as often more
// packets as more says.
func (b *both) send(seed uint64, more int) {
	random := rand.New(rand.NewPCG(seed, seed))
	var open []*stream
	for f := range flowsReplayed {
		ports := random.Perm(20_000)
		for c := range connectionsReplayed {
			open = append(open, &stream{flow: f, connection: -1, port: uint16(30_000 + ports[c])})
		}
	}
	begun := make([]int, flowsReplayed)
	most := packetsReplayed/2 + more
	for burst := 1; len(open) > 0; burst++ {
		for range burstReplayed {
			if len(open) == 0 {
				break
			}
			i := random.IntN(len(open))
			s := open[i]
			if s.connection < 0 {
				s.connection, s.burst = begun[s.flow], burst
				begun[s.flow]++
			}
			d := random.IntN(2)
			if s.burst == burst && d == 1 || s.sent[d] == most {
				d = 1 - d
			}
			if s.burst == burst && d == 1 || s.sent[d] == most {
				continue
			}
			b.sides[d].near.In <- s.frame(d)
			if s.sent[d]++; s.sent == [2]int{most, most} {
				open = slices.Delete(open, i, i+1)
			}
		}
		b.pass(time.Duration(1+random.IntN(5000)) * time.Microsecond)
	}
	b.pass(time.Minute)
}

// frame returns the next packet of a direction; tx is from the client.
func (s *stream) frame(d int) frame.Frame {
	n := s.sent[d]
	f := porttest.SuperFrame(0, 1, 40+n%50)
	f.SetHeader(frame.Header{})
	ip := f[frame.HeaderLen+14:]
	ip[1] = byte(n) & 2 // every second one is capable of ECN
	for i, part := range (packetName{uint16(s.flow), uint16(s.connection), uint16(d), uint16(n)}) {
		binary.BigEndian.PutUint16(ip[40+2*i:], part)
	}
	client, server := ip[20:], ip[22:]
	ip[15], ip[19] = byte(s.flow%2*200+1), byte(10+s.flow%7)
	if d == 1 {
		ip[15], ip[19] = ip[19], ip[15]
		client, server = server, client
	}
	binary.BigEndian.PutUint16(client, s.port)
	binary.BigEndian.PutUint16(server, uint16(50+s.flow))
	switch s.flow % 3 {
	case 1: // TCP
		ip[9], ip[33] = 6, 0x10
		if n == 0 {
			ip[33] = byte(2 + 16*d)
		}
	case 2: // ping
		ip[9], ip[20] = 1, byte(8*(1-d))
		binary.BigEndian.PutUint16(ip[24:], s.port)
		ip[12+4*d+2], ip[16-4*d+2] = 0, byte(s.flow) // a server of its own: there are no ports
	}
	return f
}

// outcome is what was recorded of a packet, and what became of it: of itself and of each copy, by
// the ordinals, why it was refused, or which bits have changed.
type outcome struct {
	Verdict policy.Verdict
	Ends    map[uint32]string
}

// outcomes returns what was recorded, by packets that came in order, and adds it to a builder.
func (b *both) outcomes(t *testing.T, to *replay.Builder) map[packetName]outcome {
	t.Helper()
	all, byID := make(map[packetName]outcome), make(map[uint64]packetName)
	came := make(map[uint64][]byte)
	for _, text := range b.streams {
		s, err := ledger.NewStream(bytes.NewReader(text))
		programs := make(map[uint32]*ledger.Program)
		for err == nil {
			var next any
			if next, err = s.Next(); err != nil {
				break
			}
			if p, ok := next.(*ledger.Program); ok {
				programs[p.ID] = p
			}
			e, ok := next.(*ledger.Entry)
			if !ok {
				continue
			}
			if to != nil {
				if err := to.Add(e, programs[e.Program]); err != nil {
					t.Fatal(err)
				}
			}
			itself := *e
			itself.Ordinal = 0
			id := itself.ID()
			if e.Kind == ledger.Arrived {
				var name packetName
				for i := range name {
					name[i] = binary.BigEndian.Uint16(e.Bytes[54+2*i:])
				}
				if _, twice := all[name]; twice {
					t.Fatalf("%v comes twice", name)
				}
				all[name], byID[id], came[id] = outcome{e.Verdict, make(map[uint32]string)}, name, bytes.Clone(e.Bytes)
				continue
			}
			end := e.Why
			if e.Kind == ledger.Left {
				changed := bytes.Clone(e.Bytes)
				for i := range changed {
					changed[i] ^= came[id][i]
				}
				end = string(changed)
			}
			all[byID[id]].Ends[e.Ordinal] = end
		}
	}
	return all
}

// setupReplayed asks for faults of every kind, some of which depend on the clock.
var setupReplayed = ledger.Setup{
	Seed: 7,
	TX:   "percent 90 run 3 every 50 time 40ms 3ms ecn duplicate 3 copies 2 corrupt 5 bits 3 rate 40mbit queue 20 delay 5ms jitter 3ms reorder 2 by 3",
	RX:   "gemodel 1 20 duplicate 1 corrupt 2 delay 1ms jitter 1ms reordering",
	Rules: "few: port 51 both percent 40 duplicate 50 copies 3\n" +
		"slow: port 53 tx exactly 2 of 10 rate 1mbit queue 3 rx pass\n",
}

// ask sets what a setup asks for.
func (b *both) ask(t *testing.T, s ledger.Setup) {
	t.Helper()
	tx, err1 := policy.Parse(s.TX)
	rx, err2 := policy.Parse(s.RX)
	rules, err3 := policy.ParseRules(s.Rules, "rules")
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	now := b.sides[0].clock()
	b.Reseed(s.Seed)
	b.SetRules(rules, now)
	b.SetPolicies(&tx, &rx, now)
}

// A recorded packet has its verdict again, and the same becomes of it and of each of its copies, bit
// by bit, although the flows come in another order, at other times and with other ports, and others
// come between them. The counters balance, and packets that were not recorded have numbers of the policy.
func TestReplayRepeats(t *testing.T) {
	var body []byte
	var recorded map[packetName]outcome
	synctest.Test(t, func(t *testing.T) {
		b := newBoth(t)
		b.ask(t, setupReplayed)
		b.send(1, 0)
		builder := newBuilder(t)
		recorded = b.outcomes(t, builder)
		var err error
		if body, err = builder.Body(replay.Head{Name: "run", Setup: setupReplayed}); err != nil {
			t.Fatal(err)
		}
		b.end()
	})
	const packets = flowsReplayed * connectionsReplayed * packetsReplayed
	t.Logf("%d packets are %d bytes", packets, len(body))
	if len(recorded) != packets {
		t.Fatalf("%d packets were recorded of %d", len(recorded), packets)
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBoth(t)
		b.Reseed(99)
		table, err := replay.Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		b.ask(t, table.Head().Setup)
		b.Replay(table)
		const more = 5
		b.send(2, more)
		met := b.outcomes(t, nil)
		differ, queued := 0, 0
		for name, want := range recorded {
			if got := met[name]; want.Verdict != got.Verdict || !maps.Equal(want.Ends, got.Ends) {
				if differ++; differ < 5 {
					t.Errorf("%v: recorded (-), met (+):\n%s", name, cmp.Diff(want, got))
				}
			}
			if want.Ends[0] == ledger.WhyQueue {
				queued++
			}
		}
		others := uint64(2 * more * flowsReplayed * connectionsReplayed)
		if c := table.Counts(); c != (replay.Counts{Connections: flowsReplayed * connectionsReplayed, Packets: packets, Met: packets, Others: others}) {
			t.Errorf("%+v", c)
		}
		if differ != 0 || queued == 0 {
			t.Errorf("%d of %d verdicts differ; the queue has lost %d", differ, packets, queued)
		}
		for _, h := range b.sides {
			if s := h.balance(); s.Held.Packets != 0 || s.NoMemory != 0 {
				t.Errorf("%+v", s)
			}
		}
		b.end()
	})
}

// The packets of the test of super-frames.
const (
	eachSuper     = 10 // packets of a super-frame
	recordedSuper = 35 // packets of each flow
	sentSuper     = 40 // packets of each flow in the replay
)

// superFrame makes packets of a flow, from an index on.
func superFrame(flow, first uint64, n int, port uint16) frame.Frame {
	f := porttest.SuperFrame(1000*flow+first, n, 50)
	binary.BigEndian.PutUint16(f[frame.HeaderLen+14+porttest.IPLen:], port)
	return to(f, uint16(53+flow))
}

// verdicts returns those of tx, by flows, and adds them to a builder.
func (b *both) verdicts(t *testing.T, to *replay.Builder) (list [3][]policy.Verdict) {
	t.Helper()
	s, err := ledger.NewStream(bytes.NewReader(b.streams[0]))
	programs := make(map[uint32]*ledger.Program)
	for err == nil {
		var next any
		next, err = s.Next()
		switch v := next.(type) {
		case *ledger.Program:
			programs[v.ID] = v
		case *ledger.Entry:
			if err := to.Add(v, programs[v.Program]); err != nil {
				t.Fatal(err)
			}
			if v.Kind == ledger.Arrived {
				flow := binary.BigEndian.Uint64(v.Bytes[porttest.HeaderLen:]) / 1000
				list[flow] = append(list[flow], v.Verdict)
			}
		}
	}
	return list
}

// recordSuper records packets that come alone, of two flows, and now and then of a third one: so some
// numbers of a flow follow each other and some do not.
func recordSuper(t *testing.T, setup ledger.Setup) (recorded [3][]policy.Verdict, body []byte) {
	b, builder := newBoth(t), newBuilder(t)
	b.ask(t, setup)
	for i := range uint64(recordedSuper) {
		if i%3 == 0 {
			b.sides[0].near.In <- superFrame(0, i, 1, 100)
		}
		b.sides[0].near.In <- superFrame(1, i, 1, 200)
		if i%4 == 0 {
			b.sides[0].near.In <- superFrame(2, i, 1, 300)
		}
	}
	b.pass(time.Second)
	recorded = b.verdicts(t, builder)
	body, err := builder.Body(replay.Head{Setup: setup})
	if err != nil {
		t.Fatal(err)
	}
	b.end()
	return recorded, body
}

func newBuilder(t *testing.T) *replay.Builder {
	t.Helper()
	builder, err := replay.NewBuilder(ledger.Header{})
	if err != nil {
		t.Fatal(err)
	}
	return builder
}

// Super-frames meet packets that came alone, whose numbers do not follow each other, and end behind what
// was recorded: each packet has its verdict, and its entries have one identity.
func TestReplaySuperFrames(t *testing.T) {
	setup := ledger.Setup{Seed: 3, TX: "percent 70 delay 1ms", RX: "pass"}
	var recorded [3][]policy.Verdict
	var body []byte
	synctest.Test(t, func(t *testing.T) { recorded, body = recordSuper(t, setup) })
	synctest.Test(t, func(t *testing.T) {
		b := newBoth(t)
		table, err := replay.Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		b.ask(t, setup)
		b.Replay(table)
		for i := uint64(0); i < sentSuper; i += eachSuper {
			b.sides[0].near.In <- superFrame(1, i, eachSuper, 7100)
		}
		b.pass(time.Second)
		got := b.verdicts(t, newBuilder(t))[1]
		if len(got) != sentSuper || !slices.Equal(recorded[1], got[:recordedSuper]) {
			t.Errorf("recorded %v, met %v", recorded[1], got)
		}
		parsed, err := policy.Parse(setup.TX)
		if err != nil {
			t.Fatal(err)
		}
		own := parsed.Compile(0, setup.Seed)
		for i, v := range got[recordedSuper:] {
			if want := own.Decide(0, uint64(i)); v != want {
				t.Errorf("packet %d behind the recorded ones: %v, want %v", i, v, want)
			}
		}
		if c := table.Counts(); c.Met != recordedSuper || c.Others != sentSuper-recordedSuper {
			t.Errorf("%+v", c)
		}
		b.oneIdentity(t)
		b.sides[0].balance()
		b.end()
	})
}

// oneIdentity fails unless each packet of tx that was not lost has left once, by its identity and with
// the payload that it came with.
func (b *both) oneIdentity(t *testing.T) {
	t.Helper()
	s, err := ledger.NewStream(bytes.NewReader(b.streams[0]))
	came, left := make(map[uint64]uint64), make(map[uint64]uint64)
	for err == nil {
		var next any
		next, err = s.Next()
		if e, ok := next.(*ledger.Entry); ok {
			index := binary.BigEndian.Uint64(e.Bytes[porttest.HeaderLen:])
			switch {
			case e.Kind == ledger.Left:
				left[e.ID()] = index
			case !e.Lost():
				came[e.ID()] = index
			}
		}
	}
	if !maps.Equal(came, left) || len(came) == 0 {
		t.Errorf("came %v, left %v", came, left)
	}
}
