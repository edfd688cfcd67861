package kern

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

var small = sample{what: "small", family: 4, protocol: unix.IPPROTO_UDP, payload: 18}

const smallLen = 14 + 20 + 8 + 18

// carry transmits small frames, one run for each: a signal makes the kernel restart a run
// that repeats.
func (c *carrier) carry(frames int) {
	c.t.Helper()
	for range frames {
		_, err := c.bpf.TransmitTcx.Run(c.options(small, small.build(0)))
		must(c.t, err)
	}
}

// flood transmits on a processor, another one if there is one, until stopped.
func (c *carrier) flood(s sample) (stop func()) {
	c.t.Helper()
	c.to = 1 // the loopback, which every namespace has
	var stopped atomic.Bool
	var group, started sync.WaitGroup
	started.Add(1)
	group.Go(func() {
		stayOn(c.t, processors()[len(processors())-1])
		started.Done()
		o := c.options(s, s.build(0))
		o.Context.([]uint32)[10] = 0 // of this thread's namespace: the loopback
		o.Repeat = 100
		for !stopped.Load() {
			if _, err := c.bpf.TransmitTcx.Run(o); err != nil {
				c.t.Error(err)
				return
			}
		}
	})
	started.Wait()
	return func() {
		stopped.Store(true)
		group.Wait()
	}
}

// Entries change while frames are relayed, and their slots are used again and again. At
// every time, the counters contain each frame once.
func TestSlotsUnderTraffic(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	stop := c.flood(small)
	last := uint64(0)
	const changes = 1000 / raceDivisor
	for i := 0; i < changes || c.next.Load() < changes; i++ {
		program := policy.Program{PercentDrop: uint64(i%3) << 31}
		must(t, c.direction.Open(program, c.to, i))
		if i%10 == 0 {
			c.direction.Close()
		}
		counts := c.direction.Counts()
		sum := counts.RelayedPackets + counts.DroppedPackets
		if sum < last || sum > c.next.Load() {
			t.Fatalf("change %d: %d packets in the counters, %d before, %d numbers", i, sum, last, c.next.Load())
		}
		last = sum
	}
	stop()
	got, numbers := c.direction.Counts(), c.next.Load()
	if got.RelayedPackets+got.DroppedPackets != numbers {
		t.Errorf("%+v, but %d numbers", got, numbers)
	}
	if got.RelayedBytes != smallLen*got.RelayedPackets || got.DroppedBytes != smallLen*got.DroppedPackets {
		t.Errorf("%+v: not %d bytes each", got, smallLen)
	}
}

// A slot is not used again before the last frame that read its entry is finished: the
// counters of the next owner contain no earlier frame. The frames here take long, as the
// kernel decides about each packet.
func TestSlotsAreFree(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	slow := sample{family: 4, protocol: unix.IPPROTO_TCP, payload: 3000, size: 1}
	defer c.flood(slow)()
	relays, drops := policy.Program{PercentDrop: 1, PercentKey: 7}, policy.Program{PercentDrop: 1 << 32}
	for lap := range 20 {
		// The slots are made free while the last entry of a lap is in force.
		for slot := range entries - 1 {
			must(t, c.direction.Open(drops, c.to, [2]int{lap, slot}))
		}
		owner := [2]int{lap, entries}
		if lap%2 == 0 {
			must(t, c.direction.Open(relays, c.to, owner))
			await(t, "a relayed frame", func() bool { return c.direction.CountsOf(owner).RelayedPackets > 0 })
			continue
		}
		must(t, c.direction.Open(drops, c.to, owner))
		if counts := c.direction.CountsOf(owner); counts.RelayedPackets > 0 {
			t.Fatalf("lap %d: %+v of somebody else", lap, counts)
		}
	}
}

// CountsOf reports all counters of an owner, also if it had several slots and some of
// them were collected.
func TestCountsOfOwner(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	other := linkOf(t, "slave-far").Attrs().Index
	total := uint64(0)
	for owner := range 100 {
		program := policy.Program{PercentDrop: uint64(owner%2) << 32}
		sum := 0
		for turn := range 3 {
			must(t, c.direction.Open(program, []int{c.to, other}[turn%2], owner))
			c.carry(owner%5 + turn)
			sum += owner%5 + turn
			must(t, c.direction.Open(program, []int{c.to, other}[turn%2], owner)) // the same again
		}
		total += uint64(sum)
		want := Counts{RelayedPackets: uint64(sum), RelayedBytes: smallLen * uint64(sum)}
		if owner%2 == 1 {
			amount := Amount{want.RelayedPackets, want.RelayedBytes}
			want = Counts{DroppedPackets: amount.Packets, DroppedBytes: amount.Bytes}
			want.Stages[program.Decide(0, 0).By] = amount
		}
		if got := c.direction.CountsOf(owner); got != want {
			t.Fatalf("owner %d: %+v, want %+v", owner, got, want)
		}
		all := c.direction.Counts()
		if all.RelayedPackets+all.DroppedPackets != total {
			t.Fatalf("owner %d: %+v in all, want %d packets", owner, all, total)
		}
	}
	if got := c.direction.CountsOf("nobody"); got != (Counts{}) {
		t.Errorf("nobody: %+v", got)
	}
	if got := c.RX().Counts(); got != (Counts{}) {
		t.Errorf("the other direction: %+v", got)
	}
}

// Open refuses a program with a stage that the kernel does not know, and the entry in
// force stays.
func TestOpenRefusesUnknownStages(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	known := policy.Losses
	if c.knows[tx] != known {
		t.Errorf("of what is sent the object knows %v, want %v", c.knows[tx], known)
	}
	received := known
	if smallFilters() {
		received = policy.Losses &^ policy.RareLosses
		err := c.RX().Open(policy.Program{Stages: known}, c.to, "rx")
		if want := "the kernel cannot do run, gemodel, state, exactly, drop"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if c.knows[rx] != received {
		t.Errorf("of what is received the object knows %v, want %v", c.knows[rx], received)
	}
	c.open("percent 0", 0)
	for n := range 64 {
		stages := policy.Stages(1) << n
		err := c.direction.Open(policy.Program{Stages: known | stages}, c.to, n)
		if stages&known != 0 {
			must(t, err)
			c.open("percent 0", 0)
			continue
		}
		if want := "the kernel cannot do " + stages.String(); err == nil || err.Error() != want {
			t.Errorf("stage %d: %v, want %s", n, err, want)
		}
		if is, _ := c.transmit(small, small.build(0)); is != dropped {
			t.Fatalf("stage %d was refused, and a frame was %v", n, is)
		}
	}
}

// A numbering begins at 0 and does not change others. An entry uses the numbering that
// was current when Open wrote it.
func TestNumbers(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	c.open("pass", 0)
	c.carry(3)
	old := c.next
	fresh := c.direction.Numbers()
	c.carry(2)
	if old.Load() != 5 || fresh.Load() != 0 {
		t.Errorf("before Open: %d old numbers, %d new ones; want 5, 0", old.Load(), fresh.Load())
	}
	c.open("percent 100", 0)
	must(t, c.direction.Open(policy.Program{}, c.to, "another"))
	c.carry(4)
	if old.Load() != 5 || fresh.Load() != 4 {
		t.Errorf("after it: %d old numbers, %d new ones; want 5, 4", old.Load(), fresh.Load())
	}
	for range ring - 2 {
		if next := c.direction.Numbers(); next == old || next == fresh || next.Load() != 0 {
			t.Fatal("a numbering that is in use")
		}
	}
	if old.Load() != 5 || fresh.Load() != 4 {
		t.Errorf("%d, %d numbers after many more numberings", old.Load(), fresh.Load())
	}
	if c.direction.Numbers() != old || old.Load() != 0 {
		t.Error("the oldest numbering is not the next")
	}
}

// The counters of the directions can be read after Close.
func TestCountersOutliveTheObjects(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	c.open("pass", 0)
	c.carry(7)
	must(t, c.Close())
	if got := c.direction.Counts().RelayedPackets; got != 7 {
		t.Errorf("%d packets, want 7", got)
	}
	c.direction.Close()
	if _, err := c.bpf.TransmitTcx.Run(&ebpf.RunOptions{Data: small.build(0)[frame.HeaderLen:]}); err == nil {
		t.Error("a program runs that is closed")
	}
}
