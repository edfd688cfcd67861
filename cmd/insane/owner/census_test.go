package owner

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// verdict counts the packets that no socket received.
type verdict struct {
	dropped uint64 // by the device, according to its counters
	refused uint64 // by the host, which did not have the address at that moment
}

// census counts each packet of many streams.
type census struct {
	*testbed.Bed
	witness *witness
	streams []*counted

	booked  api.Stats // at the beginning
	before  verdict   // at the beginning
	arrived int       // packets
}

// counted is a stream, and which of its packets have arrived.
type counted struct {
	*stream
	super bool
	seen  []bool
	ways  map[int]int // packets by the index of the link
}

// newCensus opens streams from each kind of host to each kind of address, over both
// families, in plain frames and in super-frames. Packets to an address that may be missing
// are plain frames, because the host counts refused frames. In mode all the device takes
// everything; before Linux 6.2 it cannot receive super-frames of UDP, so all frames are
// plain there.
func newCensus(t *testing.T, b *testbed.Bed) *census {
	c := &census{Bed: b, witness: newWitness(t, b)}
	spare := addrs(b.Borea.SpareIPv4.String(), b.Borea.SpareIPv6.String())
	for _, family := range families {
		for _, s := range []struct {
			from, to map[int]netip.Addr
			supers   bool
		}{
			{otherHost, slaveAddrs, true}, {routedHost, slaveAddrs, true},
			{ownHost, ownAddrs, false}, {otherHost, spare, false}, {ownHost, slaveAddrs, true},
		} {
			c.add(t, s.from[family], s.to[family], false)
			if s.supers && !testbed.KernelBefore(t, 6, 2) {
				c.add(t, s.from[family], s.to[family], true)
			}
		}
	}
	return c
}

// add opens a stream.
func (c *census) add(t *testing.T, from, to netip.Addr, super bool) {
	t.Helper()
	s := newStream(t, c.Bed, from, to, c.witness.port())
	c.streams = append(c.streams, &counted{stream: s, super: super, ways: make(map[int]int)})
}

// run sends volleys while another goroutine makes changes, until there were enough of both,
// and checks what was lost.
func (c *census) run(t *testing.T, changes []change, judge func(lost verdict) error) {
	c.begin(t)
	sent, changed := 0, startChanging(c.Bed, changes)
	random := rand.New(rand.NewPCG(1, 2))
	for sent < ownedPackets/2 || changed.count() < ownedChanges/2 {
		sent += c.volley(t, random)
		c.settle(t, sent)
	}
	changed.stop(t)
	lost := c.lost(t)
	if err := judge(lost); err != nil {
		t.Error(err)
	}
	c.note(t, c.witness.look(t, 50*time.Millisecond)) // every packet that arrives now is one too many
	c.check(t, lost)
	t.Logf("%d packets, %d changes, lost %+v", sent, changed.count(), lost)
}

// check fails unless the counters of rx agree with the packets that came through insane.
func (c *census) check(t *testing.T, lost verdict) {
	t.Helper()
	rx, through := c.rx(t), 0
	labtest.CheckCounters(t, rx)
	for _, s := range c.streams {
		through += s.ways[labtest.LinkOf(t, c.Borea, testbed.Device).Attrs().Index]
	}
	relayed := testbed.Minus(rx.Relayed, c.booked.Relayed).Packets
	if got := uint64(through); relayed < got || relayed > got+lost.refused || got == 0 || through == c.arrived {
		t.Errorf("%d packets were relayed, %d of %d came through insane: %s", relayed, through, c.arrived, c.ways(t))
	}
	if rx.Overruns != c.booked.Overruns {
		t.Errorf("%d overruns", rx.Overruns-c.booked.Overruns)
	}
}

// begin resets the census.
func (c *census) begin(t *testing.T) {
	c.AwaitQuiet(t)
	for _, s := range c.streams {
		s.sent, s.seen = 0, nil
		clear(s.ways)
	}
	c.arrived, c.before = 0, verdict{}
	c.before, c.booked = c.lost(t), c.rx(t)
}

// volley sends some packets of every stream, fewer than any queue holds.
func (c *census) volley(t *testing.T, random *rand.Rand) (sent int) {
	for i, s := range c.streams {
		n := 4 + random.IntN(24)
		if s.super {
			s.sendSuper(t, byte(i), n, labelLen+random.IntN(1400))
		} else {
			s.send(t, byte(i), n, labelLen+random.IntN(1400))
		}
		s.seen = append(s.seen, make([]bool, n)...)
		sent += n
	}
	return sent
}

// settle waits until every packet is accounted for.
func (c *census) settle(t *testing.T, sent int) {
	var lost verdict
	for deadline := time.Now().Add(testbed.Longest); ; {
		for c.arrived < sent {
			more := c.witness.look(t, 10*time.Millisecond)
			if len(more) == 0 {
				break
			}
			c.note(t, more)
		}
		if c.arrived == sent {
			return
		}
		lost = c.lost(t)
		switch known := uint64(c.arrived) + lost.dropped + lost.refused; {
		case known == uint64(sent):
			return
		case known > uint64(sent):
			t.Fatalf("%d packets were sent, but %d arrived and %+v were lost", sent, c.arrived, lost)
		case time.Now().After(deadline):
			t.Fatalf("%d packets were sent, %d arrived, %+v were lost: nobody knows of %d. Streams: %s",
				sent, c.arrived, lost, uint64(sent)-known, c.ways(t))
		}
	}
}

// note records the packets that have arrived.
func (c *census) note(t *testing.T, seen []arrival) {
	t.Helper()
	for _, a := range seen {
		mark, number := labelOf(a.payload)
		if int(mark) >= len(c.streams) || number < 0 || number >= len(c.streams[mark].seen) {
			t.Fatalf("a packet arrived that nobody sent: %x", a.payload)
		}
		s := c.streams[mark]
		if s.seen[number] {
			t.Fatalf("packet %d to %s arrived twice, now through %s", number, s.to, name(t, c.Bed, a.link))
		}
		s.seen[number] = true
		s.ways[a.link]++
		c.arrived++
	}
}

// rx returns the device's counters of rx. It repeats a request whose answer takes too long.
func (c *census) rx(t *testing.T) api.Stats {
	t.Helper()
	for deadline := time.Now().Add(testbed.Longest); ; {
		s, err := c.Daemon.Client.Stats(context.Background())
		if err == nil {
			return s.RX
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// lost returns what was lost since the census began.
func (c *census) lost(t *testing.T) (v verdict) {
	t.Helper()
	for _, n := range c.rx(t).Dropped {
		v.dropped += n.Packets
	}
	for _, name := range []string{"snmp Ip:InAddrErrors", "netstat IpExt:InNoRoutes", "snmp6 Ip6InNoRoutes", "snmp6 Ip6InAddrErrors"} {
		file, counter, _ := strings.Cut(name, " ")
		v.refused += c.Counter(t, c.Borea, file, counter)
	}
	v.dropped -= c.before.dropped
	v.refused -= c.before.refused
	return v
}

// ways describes how many packets of each stream came through which link.
func (c *census) ways(t *testing.T) string {
	var text strings.Builder
	for _, s := range c.streams {
		from := s.conn.LocalAddr()
		fmt.Fprintf(&text, "\n%v → %s super=%v: %d sent", from, s.to, s.super, s.sent)
		for link, n := range s.ways {
			fmt.Fprintf(&text, ", %s %d", name(t, c.Bed, link), n)
		}
	}
	return text.String()
}
