package frame_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

// randomSuper draws a super-frame of up to 64 packets.
func randomSuper(r *rand.Rand) super {
	s := super{
		family:   4 + 2*r.IntN(2),
		protocol: tcp,
		flags:    byte(r.UintN(256)),
		id:       uint16(r.Uint32()),
		seq:      r.Uint32(),
		options:  make([]byte, 4*r.IntN(11)),
		ipv4:     make([]byte, 4*r.IntN(11)),
		gso:      1 + r.IntN(1<<r.IntN(11)),
	}
	if r.IntN(3) == 0 {
		s.protocol = udp
	}
	for range r.IntN(3) {
		s.tags = append(s.tags, []uint16{typeTag, typeSTag}[r.IntN(2)])
	}
	for range r.IntN(4) {
		s.ipv6 = append(s.ipv6, padded([]byte{hopByHop, destinations}[r.IntN(2)], r.IntN(5)))
	}
	if r.IntN(2) == 0 {
		s.ipv6 = append(s.ipv6, homeAddress())
	}
	s.payload = s.gso*r.IntN(64) + 1 + r.IntN(s.gso)
	return s
}

// TestSplitRandom walks random frames and random verdicts.
func TestSplitRandom(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := randomSuper(r)
		f := s.build()
		l, err := frame.Inspect(f)
		if err != nil {
			t.Fatalf("seed %d: %v: %+v", seed, err, s)
		}
		relay := make([]bool, l.Packets())
		chance := r.Float64()
		for i := range relay {
			relay[i] = r.Float64() < chance
		}
		checkSplit(named{t, fmt.Sprintf("seed %d, %+v", seed, s)}, f, relay)
	}
}

// named puts a name in front of what fails.
type named struct {
	testing.TB
	name string
}

func (n named) Fatalf(format string, args ...any) {
	n.Helper()
	n.TB.Fatalf(n.name+": "+format, args...)
}

func (n named) Errorf(format string, args ...any) {
	n.Helper()
	n.TB.Errorf(n.name+": "+format, args...)
}
