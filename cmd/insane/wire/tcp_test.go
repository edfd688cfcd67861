package wire

import (
	"fmt"
	"testing"

	"github.com/seed-39a139a1/insane/cmd/insane/testbed"
	"github.com/seed-39a139a1/insane/insanely/api"
)

// TestTCPOnTheWire: a stream loses one packet in a hundred and arrives complete. The losses
// are exactly those of the engine, and the far kernel receives exactly the packets that the
// relay passes on.
func TestTCPOnTheWire(t *testing.T) {
	testbed.EachPath(t, func(t *testing.T, path string) {
		streams(t, testbed.New(t, path), "offloads", 64<<20)
		b := testbed.New(t, path)
		checkEveryChecksum(t, b, false)
		streams(t, b, "checksums", 32<<20)
	})
}

func streams(t *testing.T, b *testbed.Bed, name string, size int64) {
	for _, family := range []int{4, 6} {
		t.Run(fmt.Sprintf("IPv%d/%s", family, name), func(t *testing.T) { stream(t, b, family, size) })
	}
}

// stream sends size bytes with a loss of one packet in a hundred, and checks what happened
// to them.
func stream(t *testing.T, b *testbed.Bed, family int, size int64) {
	program, a := b.Begin(t, "percent 99", uint64(1000+family))
	before := newHeard(t, b, family)
	info := b.SendStream(t, family, size)
	b.AwaitQuiet(t)

	s := a.Stats(t)
	dropped := testbed.Drops(program, s.Offered.Packets)
	if got := s.Dropped[api.DropPolicy].Packets; got != dropped || dropped == 0 {
		t.Errorf("policy dropped %d of %d packets, the engine says %d", got, s.Offered.Packets, dropped)
	}
	if delete(s.Dropped, api.DropPolicy); len(s.Dropped) != 0 {
		t.Errorf("packets were dropped for other reasons: %v", s.Dropped)
	}
	testbed.CheckRate(t, int(s.Offered.Packets), int(s.Relayed.Packets), "99")
	checkRuns(t, program, s.Offered.Packets)
	if b.Receiving() {
		checkHeardFrames(t, b, family, before, s.Relayed)
	} else {
		checkHeardPackets(t, b, family, before, s)
	}
	checkChecksums(t, b)
	if uint64(info.Total_retrans) < dropped/2 {
		t.Errorf("TCP sent %d packets again, but %d were lost", info.Total_retrans, dropped)
	}
}

// streamWhole sends size bytes, which must arrive complete, and checks that the policy alone
// has dropped packets, and those that it should.
func streamWhole(t *testing.T, b *testbed.Bed, family int, size int64, text string, seed uint64) {
	t.Helper()
	program, a := b.Begin(t, text, seed)
	b.SendStream(t, family, size)
	b.AwaitQuiet(t)
	s := a.Stats(t)
	dropped := testbed.Drops(program, s.Offered.Packets)
	if got := s.Dropped[api.DropPolicy].Packets; got != dropped || s.Relayed.Packets+dropped != s.Offered.Packets || s.Overruns != 0 {
		t.Errorf("%s: %+v, want %d packets dropped by the policy, and no others", text, s, dropped)
	}
}

// heard has what the kernels know about a stream.
type heard struct {
	frames  uint64 // frames that passed the TAP
	packets uint64 // packets that the receiver's IP layer got
	octets  uint64 // bytes in these packets
	groups  uint64 // other packets to multicast groups; some may have passed the device
}

func newHeard(t testing.TB, b *testbed.Bed, family int) (h heard) {
	t.Helper()
	h.packets, h.octets = unicastReceived(t, b, b.To, family)
	h.groups = groupsReceived(t, b, b.To, family)
	s := b.Counters(t, b.Borea, testbed.Device)
	if h.frames = s.TxPackets; b.Receiving() {
		h.frames = s.RxPackets
	}
	return h
}

// checkHeardPackets fails unless the far kernel got exactly the packets that were sent.
func checkHeardPackets(t testing.TB, b *testbed.Bed, family int, before heard, s api.Stats) {
	t.Helper()
	now := newHeard(t, b, family)
	n, groups := now.packets-before.packets, now.groups-before.groups
	if n > s.Relayed.Packets || n+groups < s.Relayed.Packets {
		t.Errorf("relayed %d packets, %s received %d, and %d to groups", s.Relayed.Packets, b.To.Name, n, groups)
	}
	if frames := now.frames - before.frames; frames*2 > s.Offered.Packets {
		t.Errorf("%d packets came in %d frames: these were no super-frames", s.Offered.Packets, frames)
	}
}

// checkHeardFrames checks packets that the device passes on to its host. IP counts a
// super-frame from the TAP as one packet (drivers/net/tun.c, tun_get_user, does not set the
// number of segments), so the check uses bytes: a packet that is merged with the previous
// one has no headers. Frames of the fast path do not pass the TAP, and each of their
// packets is counted.
func checkHeardFrames(t testing.TB, b *testbed.Bed, family int, before heard, relayed api.Count) {
	t.Helper()
	const link, transport = 14, 20 + 12 // with time stamps
	network := uint64(map[int]int{4: 20, 6: 40}[family])
	now := newHeard(t, b, family)
	crossed, packets, octets := now.frames-before.frames, now.packets-before.packets, now.octets-before.octets
	spared := relayed.Bytes - relayed.Packets*link - octets
	frames := relayed.Packets - spared/(network+transport)
	right := frames == crossed && packets == crossed
	if b.Path == api.PathKernel {
		right = frames > crossed && frames <= packets && packets <= relayed.Packets
	}
	if !right || spared%(network+transport) != 0 {
		t.Errorf("%d packets of %d bytes were relayed, %d frames of them by the TAP: IP received %d packets, %d octets, so %d frames",
			relayed.Packets, relayed.Bytes, crossed, packets, octets, frames)
	}
	if frames*2 > relayed.Packets {
		t.Errorf("%d packets were relayed in %d frames: these were no super-frames", relayed.Packets, frames)
	}
}
