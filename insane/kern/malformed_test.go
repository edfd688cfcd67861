package kern

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/policy"
)

// Guests and packet sockets send what they like. A super-frame that makes no sense to
// the relay is not carried either: one byte of the headers is another one, and the
// fast path leaves it to the relay or takes it for the same number of packets.
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
		if got != undecided && (got != want || counts != countsOf(want, policy.Relay, layout)) {
			t.Fatalf("%+v, byte %d ^ %#x: %v %+v, want %v %+v", s, at, bit, got, counts, want, countsOf(want, policy.Relay, layout))
		}
		if want == undecided {
			malformed++
		}
	}
	if malformed < 1000/raceDivisor {
		t.Errorf("%d frames malformed: that is no test", malformed)
	}
}

// mutable chooses a bit of the headers. Left out is what the virtio header tells as
// well, which programs do not see: protocols, and where the transport header begins.
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
