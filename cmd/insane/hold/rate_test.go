package hold

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
)

// ether is how many Ethernet bytes a packet of UDP over IPv4 has beside its payload.
const ether = 14 + 20 + 8

// TestRate: each packet takes its own time on the link, also those of one super-frame. No
// packet arrives before the link has carried it and all those in front of it.
func TestRate(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		for _, c := range []struct {
			rate    int // bits per second
			grain   time.Duration
			packets int
		}{{10_000_000, 0, 40}, {100_000_000, 0, 40}, {1_000_000_000, 50 * time.Microsecond, 200}} {
			t.Run(fmt.Sprintf("%dbit", c.rate), func(t *testing.T) {
				const size = 1200
				s := newStream(t, b, size)
				b.Begin(t, fmt.Sprintf("rate %dbit queue 10s", c.rate), 1)
				for range c.packets / 20 {
					s.super(t, 20)
				}
				list := s.receive(t, c.packets)
				s.inOrder(t, list, 0)
				each := time.Duration(8 * (size + ether) * int(time.Second) / c.rate)
				for i, a := range list {
					// The packet of a part leaves with the last one of it, never before its own time.
					if least, took := time.Duration(i+1)*each, a.at.Sub(s.sent[0]); took < least {
						t.Errorf("packet %d took %v, less than %v", i, took, least)
					}
				}
				t.Logf("%d packets took %v, the link %v", c.packets, list[len(list)-1].at.Sub(s.sent[0]), time.Duration(c.packets)*each)
			})
		}
	})
}

// TestQueue: what finds the queue of the link full is lost, and counts for the stage queue.
func TestQueue(t *testing.T) {
	eachWay(t, func(t *testing.T, b *testbed.Bed) {
		const size, count, room = 500, 100, 30
		s := newStream(t, b, size)
		_, a := b.Begin(t, fmt.Sprintf("rate 100kbit queue %d", room), 1)
		before := b.Stats(t).Stages["queue"]
		s.super(t, 50)
		s.super(t, 50)
		stats := a.Await(t, count)
		// One packet is on the link, and at 23 packets a second hardly another.
		lost := b.Stats(t).Stages["queue"].Packets - before.Packets
		if most := uint64(count - room - 1); lost > most || lost < most-5 {
			t.Errorf("%d of %d packets found the queue full, want %d: %+v", lost, count, most, stats)
		}
		list := s.receive(t, count-int(lost))
		for i, a := range list {
			if i > 0 && a.number <= list[i-1].number {
				t.Errorf("packet %d came after %d", a.number, list[i-1].number)
			}
		}
	})
}
