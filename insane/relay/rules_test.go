package relay

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/port/porttest"
	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
)

// rules sets the rules of a relay of tx with the seed 1.
func (h *holder) rules(text string) {
	h.t.Helper()
	list, err := policy.ParseRules(text, "rules")
	if err != nil {
		h.t.Fatal(err)
	}
	h.SetRules(list, policy.TX, h.clock(), 1)
}

// to gives a frame of porttest a destination port.
func to(f frame.Frame, dst uint16) frame.Frame {
	binary.BigEndian.PutUint16(f[frame.HeaderLen+14+porttest.IPLen+2:], dst)
	return f
}

// statsOf returns the counters of a rule, which balance.
func (h *holder) statsOf(name string) api.Stats {
	h.t.Helper()
	synctest.Wait()
	rs := h.Ruleset()
	rule := rs.Rule
	if place, there := rs.names.place(name); there {
		rule = rs.rules[place]
	} else if name != api.DefaultRule {
		h.t.Fatalf("there is no rule %s", name)
	}
	s := h.ruleDirection(rule).Stats
	sum := s.Relayed.Packets + s.Held.Packets
	for _, c := range s.Dropped {
		sum += c.Packets
	}
	if sum != s.Offered.Packets+s.Copied.Packets {
		h.t.Fatalf("%s: offered %d and copied %d, accounted for %d", name, s.Offered.Packets, s.Copied.Packets, sum)
	}
	return s
}

// Each rule judges the packets that fit it first, with numbers and draws of its own, and the
// policy of the direction the rest. So the survivors are those of the engine.
func TestRulesJudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(t, "percent 30", budget)
		h.rules("one: udp dst port 1 tx percent 60\ntwo: dst portrange 1-2 tx percent 40\nback: any rx percent 0\n")
		programs := map[uint16]policy.Program{}
		for dst, name := range map[uint16]string{1: "one", 2: "two", 3: ""} {
			percent := map[uint16]string{1: "percent 60", 2: "percent 40", 3: "percent 30"}[dst]
			p, err := policy.Parse(percent)
			if err != nil {
				t.Fatal(err)
			}
			seed := uint64(1)
			if name != "" {
				seed = policy.RuleSeed(1, name)
			}
			programs[dst] = p.Compile(0, seed)
		}
		var want, got []uint64
		numbers := map[uint16]uint64{}
		const each = 1500
		for i := range uint64(each) {
			dst := uint16(1 + i*7%3)
			program := programs[dst]
			if !program.Decide(0, numbers[dst]).Lost() {
				want = append(want, i)
			}
			numbers[dst]++
			h.near.In <- to(porttest.SuperFrame(i, 1, 100), dst)
		}
		synctest.Wait()
		for len(h.far.Out) > 0 {
			got = append(got, porttest.Indices(<-h.far.Out, 100)...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d packets came, want %d, or others", len(got), len(want))
		}
		for name, dst := range map[string]uint16{"one": 1, "two": 2, api.DefaultRule: 3} {
			if s := h.statsOf(name); s.Offered.Packets != numbers[dst] || s.Stages["percent"].Packets == 0 {
				t.Errorf("%s: %d packets offered, want %d; lost %v", name, s.Offered.Packets, numbers[dst], s.Stages["percent"])
			}
		}
		if s := h.balance(); s.Offered.Packets != each {
			t.Errorf("%d packets offered in all", s.Offered.Packets)
		}
		closed(h)
	})
}

// The packets of one rule wait, those of others do not wait for them; and each rule that makes
// packets wait keeps their order.
func TestRulesHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(t, "pass", budget)
		h.rules("slow: dst port 1 tx delay 20ms\nslower: dst port 2 tx delay 50ms jitter 5ms\n")
		for i := range uint64(3) {
			h.near.In <- to(porttest.SuperFrame(10+i, 1, 100), 2)
			h.near.In <- to(porttest.SuperFrame(20+i, 1, 100), 1)
			h.near.In <- to(porttest.SuperFrame(30+i, 1, 100), 3)
		}
		for i := range uint64(3) {
			h.out(30+i, 0)
		}
		if s := h.statsOf("slow"); s.Held.Packets != 3 || h.Held() != 6 {
			t.Errorf("%d packets of slow wait, %d of all", s.Held.Packets, h.Held())
		}
		for i := range uint64(3) {
			h.out(20+i, 20*time.Millisecond)
		}
		for i := range uint64(3) {
			if got := porttest.Indices(<-h.far.Out, 100)[0]; got != 10+i {
				t.Errorf("packet %d comes, want %d", got, 10+i)
			}
		}
		if since := time.Since(h.began); since < 45*time.Millisecond {
			t.Errorf("slower packets come after %v", since)
		}
		h.statsOf("slower")
		h.balance()
		closed(h)
	})
}

// The last packet of a super-frame may fit another rule than those before: it is shorter.
func TestRulesLookAtLengths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(t, "pass", budget)
		h.rules("big: greater 1000 tx percent 0\n")
		f := porttest.SuperFrame(0, 3, 1000)
		short := f[: len(f)-900 : len(f)-900] // of the third packet 100 bytes are left
		e := short[frame.HeaderLen:]
		binary.BigEndian.PutUint16(e[16:], uint16(len(e)-14))
		binary.BigEndian.PutUint16(e[38:], uint16(len(e)-34))
		h.near.In <- short
		if got := porttest.Indices(<-h.far.Out, 1000); !slices.Equal(got, []uint64{2}) {
			t.Errorf("packets %v come, want the last one", got)
		}
		if s := h.statsOf("big"); s.Offered.Packets != 2 || s.Dropped[api.DropPolicy].Packets != 2 {
			t.Errorf("big: %+v", s)
		}
		h.balance()
		closed(h)
	})
}

// A change of the rules keeps the numbers and counters of rules that stay, and lets go the
// packets of a rule that is gone. A rule with the same policy goes on with its phase.
func TestRulesChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(t, "pass", budget)
		h.rules("gone: dst port 1 tx delay 1h\nthird: dst port 2 tx every 3\nclock: dst port 3 tx time 1s 1s\n")
		send := func(index uint64, dst uint16) { h.near.In <- to(porttest.SuperFrame(index, 1, 100), dst) }
		send(1, 1)
		send(2, 2)
		send(3, 2) // the third one of its rule is lost
		h.out(2, 0)
		h.out(3, 0)
		time.Sleep(1500 * time.Millisecond)
		h.rules("clock: dst port 3 tx time 1s 1s\nthird: dst port 2 tx every 3\n")
		h.out(1, 1500*time.Millisecond)
		send(4, 2)
		send(5, 3) // in the dark half of its second
		send(6, 1)
		h.out(6, 1500*time.Millisecond)
		if s := h.statsOf("third"); s.Offered.Packets != 3 || s.Stages["every"].Packets != 1 {
			t.Errorf("third: offered %d, lost %v", s.Offered.Packets, s.Stages)
		}
		if s := h.statsOf("clock"); s.Stages["time"].Packets != 1 {
			t.Errorf("clock: lost %v", s.Stages)
		}
		h.rules("")
		send(7, 2)
		h.out(7, 1500*time.Millisecond)
		h.balance()
		closed(h)
	})
}

// A packet that waits for one rule leaves at its time, whatever happens to other rules meanwhile.
func TestRulesDisturbNoOther(t *testing.T) {
	var leave [2][]time.Duration
	for changes := range leave {
		synctest.Test(t, func(t *testing.T) {
			h := newHolder(t, "rate 7kbit queue 10s delay 3ms", budget)
			const slow = "slow: dst port 1 tx rate 9kbit queue 10s slot 70ms 190ms\n"
			h.rules(slow)
			for i := range uint64(4) {
				h.near.In <- to(porttest.SuperFrame(i, 1, 100), 1)
				h.near.In <- to(porttest.SuperFrame(10+i, 1, 100), 2)
			}
			all := make(chan struct{})
			go func() {
				defer close(all)
				for range 8 {
					<-h.far.Out
					leave[changes] = append(leave[changes], time.Since(h.began))
				}
			}()
			for i := range changes * 20 {
				time.Sleep(17*time.Millisecond + time.Duration(i))
				h.rules([]string{"first: dst port 7 tx percent 5\n" + slow, slow}[i%2])
			}
			<-all
			h.balance()
			closed(h)
		})
	}
	if !slices.Equal(leave[0], leave[1]) {
		t.Errorf("packets leave after %v, with changes after %v", leave[0], leave[1])
	}
}

// Messages of neighbours are spared unless a rule names them.
func TestRulesNameNeighbours(t *testing.T) {
	for rules, lost := range map[string]bool{
		"a: arp tx percent 0\n": true, "a: any tx percent 0\n": false, "a: ether proto 0x806 tx percent 0\n": true, "a: nd tx percent 0\n": false,
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHolder(t, "percent 0", budget)
			h.rules(rules)
			question := make(frame.Frame, frame.HeaderLen+42)
			copy(question[frame.HeaderLen:], "\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01")
			h.near.In <- question
			synctest.Wait()
			if got := len(h.far.Out) == 0; got != lost {
				t.Errorf("%q: a question for a neighbour is lost: %v", rules, got)
			}
			h.balance()
			closed(h)
		})
	}
}

// Another seed begins the numbers of rules anew, with other draws.
func TestRulesReseed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(t, "pass", budget)
		h.rules("one: any tx percent 50\n")
		h.Reseed(9)
		p, err := policy.Parse("percent 50")
		if err != nil {
			t.Fatal(err)
		}
		program := p.Compile(0, policy.RuleSeed(9, "one"))
		var want, got []uint64
		for i := range uint64(200) {
			if !program.Decide(0, i).Lost() {
				want = append(want, i)
			}
			h.near.In <- porttest.SuperFrame(i, 1, 100)
		}
		synctest.Wait()
		for len(h.far.Out) > 0 {
			got = append(got, porttest.Indices(<-h.far.Out, 100)...)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("packets %v come, want %v", got, want)
		}
		closed(h)
	})
}

// closed ends the relay.
func closed(h *holder) {
	h.near.Close()
	<-h.ended
}
