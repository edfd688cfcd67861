package kern

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

// Guests and packet sockets may send any bytes. The fast path does not decide about a
// super-frame that the relay finds malformed: after a change of one bit in the headers, it
// leaves the frame to the relay or counts the same packets as the relay.
func TestMalformedIsTheRelays(t *testing.T) {
	c := newCarrier(t, (*Objects).TX)
	c.open("pass", 0)
	r := rand.New(rand.NewPCG(7, 8))
	malformed := 0
	for range 20_000 / raceDivisor {
		s := anySample(r, 1000)
		s.size = 1 + s.payload/(1+r.IntN(8))
		f := s.build(0)
		at, bit := mutable(r, s)
		f[frame.HeaderLen+at] ^= bit
		want, layout := outcomeOf(&policy.Program{}, 0, 0, f)
		got, counts := c.transmit(s, f)
		if got != undecided && (got != want || counts != countsOf(want, policy.Verdict{}, layout)) {
			t.Fatalf("%+v, byte %d ^ %#x: %v %+v, want %v %+v", s, at, bit, got, counts, want, countsOf(want, policy.Verdict{}, layout))
		}
		if want == undecided {
			malformed++
		}
	}
	if malformed < 1000/raceDivisor {
		t.Errorf("%d frames malformed: that is no test", malformed)
	}
}

// mutable chooses a bit of the headers. It leaves out the fields that the virtio header
// repeats and programs cannot read: protocols and the offset of the transport header.
func mutable(r *rand.Rand, s sample) (at int, bit byte) {
	headers := 14 + 20 + 20
	if s.family == 6 {
		headers += 20
	}
	for {
		at, bit = 14+r.IntN(headers-14), 1<<r.IntN(8)
		switch {
		case s.family == 4 && (at == 14+9 || at == 14 && bit < 16):
		case s.family == 6 && at == 14+6:
		case s.protocol == unix.IPPROTO_UDP && at >= headers-20+8:
		default:
			return at, bit
		}
	}
}
