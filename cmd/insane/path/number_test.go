package path

import (
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestPathsShareNumbers: several CPUs send super-frames at once, as fast as they can, and
// both the kernel and the relay number the packets. No number is used twice or left out:
// the counters have exactly the drops of the first numbers, and the packets that follow
// have the next numbers.
func TestPathsShareNumbers(t *testing.T) {
	b := testbed.New(t, api.PathKernel)
	const (
		flows    = 3
		small    = 16 // bytes of payload, so that judging is much of the work
		segments = 60 // of a super-frame; Linux before 6.9 takes 64 (UDP_MAX_SEGMENTS)
		atOnce   = 100
	)
	rounds := testbed.EnvInt(t, "INSANE_PACKETS", 10*mixedPackets)/(flows*segments*atOnce) + 1
	var open []*testbed.Flow
	for range flows {
		f := b.NewFlow(t, 4)
		testbed.SetOption(t, f.In, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4096) // nobody reads
		testbed.SetOption(t, f.Out, unix.SOL_UDP, unix.UDP_SEGMENT, small)
		open = append(open, f)
	}
	program, a := b.Begin(t, "percent 99.9", 107)
	part := newRelayPart(t, b)
	super := make([]byte, segments*small)
	for round := range rounds {
		var sending sync.WaitGroup
		for _, f := range open {
			sending.Go(func() {
				for range atOnce {
					if _, err := f.Out.Write(super); err != nil {
						t.Errorf("send: %v", err)
						return
					}
				}
			})
		}
		sending.Wait()
		a.Await(t, (round+1)*flows*atOnce*segments) // the queue in front of the relay has room for a round
	}
	sent := rounds * flows * atOnce * segments
	// The cable may have no room for some of what is relayed.
	s, dropped := a.Await(t, sent), testbed.Drops(program, uint64(sent))
	if s.Offered.Packets != uint64(sent) || s.Dropped[api.DropPolicy].Packets != dropped || s.Overruns != 0 {
		t.Errorf("%d packets were sent, of which the engine drops %d: %+v", sent, dropped, s)
	}
	t.Logf("the relay carried %.0f %% of the bytes", 100*part.share(t))
	checkNumbering(t, b, sent, 107)
}

// checkNumbering fails unless the next packet has this number.
func checkNumbering(t testing.TB, b *testbed.Bed, next int, seed uint64) {
	t.Helper()
	const count, half = 200, "percent 50"
	before := b.Stats(t).Offered.Packets
	labtest.Set(t, b.Daemon, b.Change(half))
	f, c := b.NewFlow(t, 4), testbed.Cargo{Count: count, Size: testbed.Always(36)}
	r := newRecord(t, f, c)
	f.SendPlain(t, c, 0, count)
	labtest.Await(t, "the packets to be in the counters", func() bool { return b.Stats(t).Offered.Packets >= before+count })
	time.Sleep(testbed.LaterQuiet)
	r.end()
	program := b.Program(t, half, seed)
	for i, times := range r.times {
		if relayed := !program.Decide(0, uint64(next+i)).Lost(); relayed != (times == 1) {
			t.Fatalf("%d packets were sent, but the one after these has not that number: packet %d more came %d times, want %t",
				next, i, times, relayed)
		}
	}
}
