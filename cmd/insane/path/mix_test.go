package path

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// If few packets are lost, the kernel carries most super-frames and leaves the others to
// the relay; frames behind those go to the relay as well. These tests check the switch
// between the two. Each sends INSANE_PACKETS packets.
const mixedPackets = 20_000

// eachDirection runs a test for packets that the device sends and for packets that it
// receives, with both paths in use. Before Linux 6.2 the relay cannot receive super-frames
// of UDP.
func eachDirection(t *testing.T, test func(t *testing.T, b *testbed.Bed)) {
	t.Run("tx", func(t *testing.T) { test(t, testbed.New(t, api.PathKernel)) })
	if testbed.KernelBefore(t, 6, 2) {
		return
	}
	t.Run("rx", func(t *testing.T) { test(t, testbed.NewReceiver(t, api.PathKernel)) })
}

// TestPathsMix: on either path, a packet gets the verdict of its number, and no packet
// overtakes another one of its flow.
func TestPathsMix(t *testing.T) {
	eachDirection(t, func(t *testing.T, b *testbed.Bed) {
		for i, percent := range []string{"98", "99", "99.9"} {
			family := []int{4, 6}[i%2]
			t.Run("percent"+percent, func(t *testing.T) { mix(t, b, family, percent) })
		}
		t.Run("trains", func(t *testing.T) { mixTrains(t, b) })
	})
}

func mix(t *testing.T, b *testbed.Bed, family int, percent string) {
	f, list := b.NewFlow(t, family), testbed.Supers(testbed.EnvInt(t, "INSANE_PACKETS", mixedPackets))
	segmented(t, f)
	program, a := b.Begin(t, "percent "+percent, uint64(100+family))
	part := newRelayPart(t, b)
	r := newRecord(t, f, testbed.Cargo{Count: int(list), Size: list.Size})
	r.bursts(t, f, list)
	a.Check(t, int(list), program)
	r.await(t, a.Stats(t).Relayed.Packets)
	r.checkOrder(t)
	r.checkSet(t, program)
	if percent != "99.9" { // few of its super-frames go to the relay
		part.checkBoth(t)
	}
	checkReports(t, b, uint64(list))
}

// TestPathsMixUnderChange: the policy changes all the time, and packet numbers continue
// without a gap. A packet that the strictest policy relays arrives, and a packet that the
// mildest policy drops does not: with one seed, the milder policy relays every packet of
// the stricter one.
func TestPathsMixUnderChange(t *testing.T) {
	eachDirection(t, func(t *testing.T, b *testbed.Bed) {
		f, list, seed := b.NewFlow(t, 4), testbed.Supers(testbed.EnvInt(t, "INSANE_PACKETS", mixedPackets)), uint64(104)
		segmented(t, f)
		policies := []string{"percent 98", "percent 99.5", "percent 99"}
		_, a := b.Begin(t, policies[0], seed)
		part := newRelayPart(t, b)
		r := newRecord(t, f, testbed.Cargo{Count: int(list), Size: list.Size})
		changes := keepChanging(t, b, policies, func() { r.bursts(t, f, list) })
		s := a.Await(t, int(list))
		r.await(t, s.Relayed.Packets)
		r.checkOrder(t)
		open := r.checkSet(t, b.Program(t, policies[0], seed), b.Program(t, policies[1], seed))
		part.checkBoth(t)
		t.Logf("%d changes; %d packets of %d had a verdict that depends on them", changes, open, list)
		if s.Overruns != 0 || s.Offered.Packets != uint64(list) || s.Relayed.Packets+s.Dropped[api.DropPolicy].Packets != uint64(list) {
			t.Errorf("%d packets were sent: %+v", list, s)
		}
	})
}

// keepChanging changes the policy of the packets' direction while fn runs.
func keepChanging(t testing.TB, b *testbed.Bed, policies []string, fn func()) (changes int) {
	t.Helper()
	var over atomic.Bool
	var changing sync.WaitGroup
	changing.Go(func() {
		for ; !over.Load(); changes++ {
			if _, err := b.Daemon.Client.Set(context.Background(), b.Change(policies[changes%len(policies)])); err != nil {
				t.Errorf("change %d: %v", changes, err)
				return
			}
			time.Sleep(time.Duration(changes%5) * time.Millisecond)
		}
	})
	defer over.Store(true) // also if fn ends the test
	fn()
	over.Store(true)
	changing.Wait()
	return changes
}

// TestPathsMixFlows: packets of several flows are sent at once, some in super-frames and
// others alone. Only the policy drops packets, and no packet overtakes another one of its
// flow.
func TestPathsMixFlows(t *testing.T) {
	eachDirection(t, func(t *testing.T, b *testbed.Bed) {
		const flows = 4
		each := testbed.EnvInt(t, "INSANE_PACKETS", mixedPackets) / flows
		var open []*testbed.Flow
		for i := range flows {
			open = append(open, b.NewFlow(t, 4+i/2%2*2))
		}
		program, a := b.Begin(t, "percent 99", 105)
		var sending sync.WaitGroup
		var records []*record
		for i, f := range open {
			list, piece := testbed.Supers(each), testbed.Window
			c := testbed.Cargo{Count: each, Size: list.Size, Send: func(from, to int) { list.Send(t, f, from, to) }}
			if i%2 == 0 {
				segmented(t, f)
			} else {
				piece /= 2 // so that the queue in front of the relay has room for both such flows
				c.Size = testbed.Always(36)
				c.Send = func(from, to int) { f.SendPlain(t, c, from, to) }
			}
			r := newRecord(t, f, c)
			records = append(records, r)
			sending.Go(func() { r.inTime(t, c, piece) })
		}
		sending.Wait()
		a.Check(t, flows*each, program)
		awaitAll(t, records, a.Stats(t).Relayed.Packets)
	})
}

// awaitAll waits until the records together have this many packets.
func awaitAll(t testing.TB, records []*record, count uint64) {
	t.Helper()
	received := func() (sum uint64) {
		for _, r := range records {
			r.mu.Lock()
			sum += uint64(r.received)
			r.mu.Unlock()
		}
		return sum
	}
	labtest.Await(t, fmt.Sprintf("%d packets", count), func() bool { return received() >= count })
	time.Sleep(testbed.LaterQuiet / 2)
	for _, r := range records {
		r.end()
		r.checkOrder(t)
	}
	if n := received(); n != count {
		t.Errorf("%d packets were relayed, %d arrived", count, n)
	}
}

// bursts sends super-frames in bursts, with pauses in which the relay finishes, or almost.
func (r *record) bursts(t testing.TB, f *testbed.Flow, list testbed.Supers) {
	t.Helper()
	random := rand.New(rand.NewPCG(uint64(list), 1))
	const longest, underWay = 12, 200 // super-frames
	for from := 0; from < int(list); {
		to := from
		for range 1 + random.IntN(longest) {
			to = list.Next(to)
		}
		list.Send(t, f, from, to)
		from = to
		r.reach(t, from-underWay*testbed.PerSuper*(random.IntN(3)/2)) // twice out of three times, all
		time.Sleep(time.Duration(random.IntN(500)) * time.Microsecond)
	}
}

// inTime sends a cargo in pieces, of which at most two are under way.
func (r *record) inTime(t testing.TB, c testbed.Cargo, piece int) {
	for from := 0; from < c.Count; from += piece {
		c.Send(from, min(from+piece, c.Count))
		r.reach(t, from)
	}
}

// TestPathsMixInTCP: a stream loses one packet in a hundred. Both the kernel and the relay
// carry a good part of it, with the same result as one of them alone.
func TestPathsMixInTCP(t *testing.T) {
	eachDirection(t, func(t *testing.T, b *testbed.Bed) {
		program, a := b.Begin(t, "percent 99", 106)
		part := newRelayPart(t, b)
		b.SendStream(t, 4, 24<<20)
		b.AwaitQuiet(t)
		s := a.Stats(t)
		if got, want := s.Dropped[api.DropPolicy].Packets, testbed.Drops(program, s.Offered.Packets); got != want {
			t.Errorf("policy dropped %d of %d packets, the engine says %d", got, s.Offered.Packets, want)
		}
		part.checkBoth(t)
		checkReports(t, b, s.Offered.Packets)
	})
}
