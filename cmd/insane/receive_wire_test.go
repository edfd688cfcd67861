package main

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insanely/api"
)

// What the device must do to packets that it sends (wire_…_test.go) it must do to
// packets that it receives. The functions that say what that is are the same.

// TestReceivePercent: which packets arrive is what the engine decided, packet by
// packet.
func TestReceivePercent(t *testing.T) {
	eachPath(t, func(t *testing.T, path string) {
		b := newReceiver(t, path)
		b.losePercents(t, smallOver(path), []lossiness{
			{"50", 8000}, {"80", 8000}, {"1", 8000}, {"99", 8000}, {"0", 4000}, {"100", 4000},
		})
		few := []lossiness{{"60", 4000}, {"0", 1000}}
		t.Run("routed", func(t *testing.T) { b.back().losePercents(t, smallOver(path), few) })
		t.Run("all", func(t *testing.T) {
			back := b.back()
			back.takeAll(t)
			back.losePercents(t, smallOver(path), few)
		})
	})
}

// TestReceivePass: without a policy the device is a wire.
func TestReceivePass(t *testing.T) {
	eachPath(t, func(t *testing.T, path string) { newReceiver(t, path).passMany(t) })
}

// TestReceiveSuperFrames: the packets of a super-frame are judged one by one. Before
// Linux 6.2 a packet socket has no words for one of UDP, and each is an overrun.
func TestReceiveSuperFrames(t *testing.T) {
	eachPath(t, func(t *testing.T, path string) {
		b := newReceiver(t, path)
		b.quiet = firstQuiet // the cable counts the frames, of which some would be reports of groups
		if kernelBefore(t, 6, 2) {
			b.overrunSupers(t, 10_000)
			return
		}
		b.superFrames(t, 25_000)
	})
}

// TestReceiveTCP: a stream loses one packet in a hundred and arrives whole,
// whether its super-frames are the sender's or were put together on arrival, by
// GRO, of packets whose checksums were verified.
func TestReceiveTCP(t *testing.T) {
	eachPath(t, func(t *testing.T, path string) {
		newReceiver(t, path).streams(t, "offloads", 48<<20)
		b := newReceiver(t, path)
		b.checkEveryChecksum(t, true)
		b.streams(t, "merged", 24<<20)
	})
}

// TestReceiveTime: "time ON OFF" begins with ON when it is set and changes sides
// when it should.
func TestReceiveTime(t *testing.T) {
	newReceiver(t, api.PathRelay).changeSides(t, []sides{
		{20 * time.Millisecond, 30 * time.Millisecond, 50},
	})
	newReceiver(t, api.PathKernel).changeSides(t, []sides{
		{10 * time.Millisecond, 10 * time.Millisecond, 100},
		{100 * time.Millisecond, 400 * time.Millisecond, 2},
	})
}

// TestReceivePing: what arrives is what the engine relays, and what ping says on
// the far side is what arrives.
func TestReceivePing(t *testing.T) {
	requireProgram(t, "ping")
	newReceiver(t).losePings(t, "70")
}

// TestReceiveGarbage: what no stack would send arrives. The device goes on, its
// counters balance, and what follows is treated right.
func TestReceiveGarbage(t *testing.T) {
	b := newTestbed(t).back()
	b.takeAll(t)
	before := b.counters(t, b.Borea, device)
	s, frames := b.offerGarbage(t, 30_000)
	if s.Offered.Packets+s.Overruns < frames {
		t.Errorf("offered %d packets, %d overruns, but the cable handed over %d frames", s.Offered.Packets, s.Overruns, frames)
	}
	if n := b.counters(t, b.Borea, device).RxPackets - before.RxPackets; n == 0 || n > s.Relayed.Packets {
		t.Errorf("relayed %d packets, the host got %d frames", s.Relayed.Packets, n)
	}
}

// TestReceiveEverything: in mode all a frame need not be IP to be relayed, or
// dropped, unchanged: tags of any kind, protocols that nobody knows. In the other
// direction the same frames go out.
func TestReceiveEverything(t *testing.T) {
	b := newTestbed(t)
	back := b.back()
	back.takeAll(t)
	t.Run("rx", func(t *testing.T) { back.foreignFrames(t, "pass", "percent 50", "percent 0") })
	b.quiet = firstQuiet
	t.Run("tx", func(t *testing.T) { b.foreignFrames(t, "percent 50") })
}

// TestReceiveTagged: the packets of a super-frame with a VLAN tag are judged one
// by one, and all that is left of it bears the tag.
func TestReceiveTagged(t *testing.T) {
	b := newTestbed(t).back()
	b.takeAll(t)
	for _, v6 := range []bool{false, true} {
		name := map[bool]string{false: "IPv4", true: "IPv6"}[v6]
		for _, text := range []string{"pass", "percent 50"} {
			t.Run(name+"/"+text, func(t *testing.T) { b.taggedSupers(t, v6, text) })
		}
	}
}

// taggedSupers sends super-frames of TCP in a VLAN and collects what arrives.
func (b *testbed) taggedSupers(t *testing.T, v6 bool, text string) {
	out := b.rawSocket(t, b.from, b.door(b.from), unix.PACKET_VNET_HDR)
	in := b.rawSocket(t, b.to, b.door(b.to), unix.PACKET_AUXDATA)
	program, a := b.begin(t, text, 31)
	before := b.framesOffered(t)
	const frames = 100
	maker := taggedTCP{garbage{course: b.course, mac: b.link(t, b.to, b.door(b.to)).Attrs().HardwareAddr}, v6}
	for i := range frames {
		if err := out.send(maker.frame(i * taggedPerSuper)); err != nil {
			t.Fatalf("send super-frame %d: %v", i, err)
		}
		for first := i * taggedPerSuper; first < (i+1)*taggedPerSuper; {
			run := relayedRun(program, first, (i+1)*taggedPerSuper)
			if run.count > 0 {
				maker.check(t, in.receive(t), run)
			}
			first = run.next
		}
	}
	a.check(t, frames*taggedPerSuper, program)
	if n := b.framesOffered(t) - before; n != frames {
		t.Errorf("%d super-frames were sent, %d frames arrived", frames, n)
	}
	if n := in.waiting(t); n != 0 {
		t.Errorf("%d frames too many arrived", n)
	}
}
