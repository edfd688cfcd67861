package wire

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insane/lab/labtest"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// The device must do the same to packets that it receives as to packets that it sends.
// Both kinds of tests call the same functions.

// TestReceivePercent: exactly the packets arrive that the engine relays.
func TestReceivePercent(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) {
		b := testbed.NewReceiver(t, path)
		losePercents(t, b, smallOver(path), []lossiness{
			{"50", 8000}, {"80", 8000}, {"1", 8000}, {"99", 8000}, {"0", 4000}, {"100", 4000},
		})
		few := []lossiness{{"60", 4000}, {"0", 1000}}
		t.Run("routed", func(t *testing.T) { losePercents(t, b.Back(), smallOver(path), few) })
		t.Run("all", func(t *testing.T) {
			back := b.Back()
			takeAll(t, back)
			losePercents(t, back, smallOver(path), few)
		})
	})
}

// TestReceivePass: with the policy pass the device is like a wire.
func TestReceivePass(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) { passMany(t, testbed.NewReceiver(t, path)) })
}

// TestReceiveSuperFrames: each packet of a super-frame is judged separately. Before Linux
// 6.2 a packet socket cannot return super-frames of UDP, and each counts as unreadable.
func TestReceiveSuperFrames(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) {
		b := testbed.NewReceiver(t, path)
		b.Quiet = testbed.FirstQuiet // the cable counts the frames, of which some would be reports of groups
		if testbed.KernelBefore(t, 6, 2) {
			unreadableSupers(t, b, 10_000)
			return
		}
		superFrames(t, b, 25_000)
	})
}

// TestReceiveTCP: a stream loses one packet in a hundred and arrives complete. Its
// super-frames are made by the sender, or by GRO on arrival from packets with verified
// checksums.
func TestReceiveTCP(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) {
		streams(t, testbed.NewReceiver(t, path), "offloads", 48<<20)
		b := testbed.NewReceiver(t, path)
		checkEveryChecksum(t, b, true)
		streams(t, b, "merged", 24<<20)
	})
}

// TestReceiveTime: "time ON OFF" begins with ON when it is set and changes between both at
// the right times.
func TestReceiveTime(t *testing.T) {
	changeSides(t, testbed.NewReceiver(t, api.PathRelay), []sides{
		{20 * time.Millisecond, 30 * time.Millisecond, 50},
	})
	changeSides(t, testbed.NewReceiver(t, api.PathKernel), []sides{
		{10 * time.Millisecond, 10 * time.Millisecond, 100},
		{100 * time.Millisecond, 400 * time.Millisecond, 2},
	})
}

// TestReceivePing: exactly the packets arrive that the engine relays, and ping on the far
// side reports the same number.
func TestReceivePing(t *testing.T) {
	t.Parallel()
	testbed.RequireProgram(t, "ping")
	losePings(t, testbed.NewReceiver(t), "70")
}

// TestReceiveGarbage: frames arrive that no stack would send. The device continues to work,
// its counters balance, and valid frames that follow are handled correctly.
func TestReceiveGarbage(t *testing.T) {
	t.Parallel()
	b := testbed.New(t).Back()
	takeAll(t, b)
	before := b.Counters(t, b.Borea, testbed.Device)
	s, frames := offerGarbage(t, b, 30_000, 4)
	if s.Offered.Packets+s.Neighbour.Packets+s.Overruns < frames {
		t.Errorf("offered %d packets, %d of neighbours, %d overruns, but the cable handed over %d frames",
			s.Offered.Packets, s.Neighbour.Packets, s.Overruns, frames)
	}
	if n := b.Counters(t, b.Borea, testbed.Device).RxPackets - before.RxPackets; n == 0 || n > s.Relayed.Packets+s.Neighbour.Packets {
		t.Errorf("relayed %d packets, the host got %d frames", s.Relayed.Packets, n)
	}
}

// TestReceiveEverything: in mode all a frame that is not IP is also relayed unchanged, or
// dropped: any tags, and unknown protocols. In the other direction the same frames are
// sent.
func TestReceiveEverything(t *testing.T) {
	t.Parallel()
	b := testbed.New(t)
	back := b.Back()
	takeAll(t, back)
	t.Run("rx", func(t *testing.T) { foreignFrames(t, back, "pass", "percent 50", "percent 0") })
	b.Quiet = testbed.FirstQuiet
	t.Run("tx", func(t *testing.T) { foreignFrames(t, b, "percent 50") })
}

// TestReceiveTagged: each packet of a super-frame with a VLAN tag is judged separately, and
// all relayed packets have the tag.
func TestReceiveTagged(t *testing.T) {
	t.Parallel()
	b := testbed.New(t).Back()
	takeAll(t, b)
	for _, v6 := range []bool{false, true} {
		name := map[bool]string{false: "IPv4", true: "IPv6"}[v6]
		for _, text := range []string{"pass", "percent 50"} {
			t.Run(name+"/"+text, func(t *testing.T) { taggedSupers(t, b, v6, text) })
		}
	}
}

// taggedSupers sends super-frames of TCP in a VLAN and collects what arrives.
func taggedSupers(t *testing.T, b *testbed.Bed, v6 bool, text string) {
	out := b.RawSocket(t, b.From, door(b, b.From), unix.PACKET_VNET_HDR)
	in := b.RawSocket(t, b.To, door(b, b.To), unix.PACKET_AUXDATA)
	program, a := b.Begin(t, text, 31)
	before := framesOffered(t, b)
	const frames = 100
	maker := taggedTCP{garbage{Course: b.Course, mac: labtest.LinkOf(t, b.To, door(b, b.To)).Attrs().HardwareAddr}, v6}
	for i := range frames {
		if err := out.Send(maker.frame(i * taggedPerSuper)); err != nil {
			t.Fatalf("send super-frame %d: %v", i, err)
		}
		for first := i * taggedPerSuper; first < (i+1)*taggedPerSuper; {
			run := relayedRun(program, first, (i+1)*taggedPerSuper)
			for run.count > 0 {
				n := maker.check(t, receive(t, in, fmt.Sprintf("packet %d", run.first)), run)
				run.first, run.count = run.first+n, run.count-n
			}
			first = run.next
		}
	}
	a.Check(t, frames*taggedPerSuper, program)
	if n := framesOffered(t, b) - before; n != frames && !(labtest.Cards() && n > frames) {
		t.Errorf("%d super-frames were sent, %d frames arrived", frames, n)
	}
	if n := waiting(t, in); n != 0 {
		t.Errorf("%d frames too many arrived", n)
	}
}
