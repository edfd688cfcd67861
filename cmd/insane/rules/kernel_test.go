package rules

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestRulesComeAndGo: the kernel carries what it can, with rules and without, unless they look at
// more different fields than it has places for; then the relay carries everything and says why.
func TestRulesComeAndGo(t *testing.T) {
	t.Parallel()
	b := testbed.New(t, api.PathKernel)
	shapes := ""
	for i := range 33 {
		shapes += fmt.Sprintf("s%d: dst net 128.0.0.0/%d tx pass\n", i, i%32+1)
		if i == 32 {
			shapes += "other: arp tx pass\n"
		}
	}
	for range 2 {
		load(t, b, "a: udp port 9 tx percent 0\nb: udp port 10 tx delay 10ms\n")
		awaitPaths(t, b, 2, api.PathKernel, "")
		load(t, b, shapes)
		awaitPaths(t, b, 34, api.PathRelay, "rules: they look at more than 32 different choices of header fields")
		load(t, b, "a: udp port 9 tx delay 10ms\n")
		awaitPaths(t, b, 1, api.PathKernel, "")
		load(t, b, "")
		awaitPaths(t, b, 0, api.PathKernel, "")
	}
}

func awaitPaths(t *testing.T, b *testbed.Bed, rules int, path, reason string) {
	t.Helper()
	b.AwaitState(t, func(i api.Info) bool { return i.Rules == rules && i.TX.Path == path && i.TX.PathReason == reason })
}

// TestRulesBesideARuleThatHolds: one rule makes its packets wait. The kernel carries those of
// another one meanwhile, with the verdicts of the engine and in their order, also if some of its
// super-frames go to the relay; and the packets that wait come as well, no sooner than asked.
func TestRulesBesideARuleThatHolds(t *testing.T) {
	t.Parallel()
	there := testbed.New(t, api.PathKernel)
	for _, b := range []*testbed.Bed{there, there.Back()} {
		b.Path = api.PathKernel
		for _, text := range []string{"percent 60", "percent 99"} {
			name := map[bool]string{false: "tx", true: "rx"}[b.Receiving()]
			t.Run(name+"/"+strings.ReplaceAll(text, " ", ""), func(t *testing.T) { besideHolding(t, b, text) })
		}
	}
}

const heldFor = 30 * time.Millisecond

func besideHolding(t *testing.T, b *testbed.Bed, text string) {
	const seed, count = 47, 8000
	f, slow := b.NewFlow(t, 4), b.NewFlow(t, 4)
	port := func(f *testbed.Flow) int { return f.In.LocalAddr().(*net.UDPAddr).Port }
	load(t, b, "")
	load(t, b, fmt.Sprintf("slow: udp dst port %d both delay %v\nflow: udp dst port %d both %s\n", port(slow), heldFor, port(f), text))
	b.Begin(t, "pass", seed)
	cargo := testbed.Cargo{Count: count, Size: testbed.Always(200)}
	j, super := judged{b, "flow"}, text == "percent 99"
	if !super {
		cargo = j.afterOne(t, f, cargo)
	} else {
		testbed.SetOption(t, f.Out, unix.SOL_UDP, unix.UDP_SEGMENT, testbed.Segment)
		list := testbed.Supers(count)
		cargo.Size, cargo.Send = list.Size, func(from, to int) { list.Send(t, f, from, to) }
	}
	stop, sent := make(chan struct{}), 0
	var sending sync.WaitGroup
	sending.Go(func() { sent = trickle(t, slow, stop) })
	end := sync.OnceFunc(func() { close(stop); sending.Wait() })
	defer end()
	before := b.Counters(t, b.Borea, testbed.Device).TxPackets
	got := f.CarryOnly(t, j.program(t, text, seed), cargo)
	relayed := b.Counters(t, b.Borea, testbed.Device).TxPackets - before
	end()
	labtest.Await(t, "what waits", func() bool { return b.Direction(labtest.Info(t, b.Daemon)).Stats.Held.Packets == 0 })
	if s := j.stats(t); s.Offered.Packets != count || s.Relayed.Packets != uint64(got) {
		t.Errorf("offered %d, relayed %d; %d came", s.Offered.Packets, s.Relayed.Packets, got)
	}
	if s := (judged{b, "slow"}).stats(t); s.Offered.Packets != uint64(sent) || s.Relayed.Packets != uint64(sent) {
		t.Errorf("%d packets waited: %+v", sent, s)
	}
	if !b.Receiving() && !super && relayed > uint64(sent)+count/10 {
		t.Errorf("%d packets were made to wait, and of %d others %d went by the relay", sent, count, relayed-uint64(sent))
	}
}

// trickle sends a packet every few milliseconds, at least 20, and checks that none comes too soon.
func trickle(t *testing.T, f *testbed.Flow, stop <-chan struct{}) (sent int) {
	times := make(chan time.Time, 1<<16)
	var receiving sync.WaitGroup
	receiving.Go(func() {
		buffer := make([]byte, 2048)
		for began := range times {
			_ = f.In.SetReadDeadline(time.Now().Add(testbed.Longest))
			if _, err := f.In.Read(buffer); err != nil {
				t.Error(err)
				return
			}
			if took := time.Since(began); took < heldFor {
				t.Errorf("a packet waited for %v", took)
			}
		}
	})
	for over := false; !over || sent < 20; sent++ {
		select {
		case <-stop:
			over = true
		case <-time.After(2 * time.Millisecond):
		}
		times <- time.Now()
		if _, err := f.Out.Write(make([]byte, 100)); err != nil {
			t.Error(err)
		}
	}
	close(times)
	receiving.Wait()
	return sent
}

// TestRulesPastAFrameThatWaits: a frame of a rule that is the relay's waits in front of the relay,
// which stands still. The kernel carries the frames of other rules past it.
func TestRulesPastAFrameThatWaits(t *testing.T) {
	t.Parallel()
	b := testbed.New(t, api.PathKernel)
	f, slow := b.NewFlow(t, 4), b.NewFlow(t, 4)
	port := slow.In.LocalAddr().(*net.UDPAddr).Port
	load(t, b, fmt.Sprintf("slow: udp dst port %d both delay 10ms\nflow: udp both pass\n", port))
	_, _ = b.Begin(t, "percent 0", 1)
	exchange := func(f *testbed.Flow, packets int) {
		t.Helper()
		for range packets {
			_, err := f.Out.Write(make([]byte, 50))
			labtest.Must(t, err)
		}
	}
	receive := func(f *testbed.Flow, packets int) {
		t.Helper()
		_ = f.In.SetReadDeadline(time.Now().Add(testbed.Longest))
		for range packets {
			_, err := f.In.Read(make([]byte, 100))
			labtest.Must(t, err)
		}
	}
	for _, known := range []*testbed.Flow{f, slow} { // from now on the kernel knows whose both rules are
		exchange(known, 1)
		receive(known, 1)
	}
	before := b.Counters(t, b.Borea, testbed.Device).TxPackets
	testbed.Pause(t, b.Daemon, func() {
		exchange(slow, 1)
		exchange(f, 20)
	})
	receive(slow, 1)
	receive(f, 20)
	if n := b.Counters(t, b.Borea, testbed.Device).TxPackets - before; n != 1 {
		t.Errorf("%d of 21 packets went by the relay, want 1", n)
	}
}
