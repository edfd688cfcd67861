package port

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
	"github.com/seed-39a139a1/insane/insane/kern"
)

// TestFilterNeighboursIsReceiveNone compares the two implementations of one decision:
// the classic filter, and the eBPF program receive_none. Two sockets on one link get the
// same frames, one socket has each filter, and both must accept the same frames.
func TestFilterNeighboursIsReceiveNone(t *testing.T) {
	l := newNamespace(t)
	newVeth(t, l, "near", "far")
	objects, err := kern.Open("insane")
	must(t, err)
	defer objects.Close()
	classic := openSlave(t, l, "near", FilterNeighbours())
	program := openSlave(t, l, "near", Program(objects.None()))
	far := openSlave(t, l, "far", acceptNone)

	random := rand.New(rand.NewPCG(2000, 8))
	const rounds, last = 50, 255
	accepted := 0
	for round := range rounds {
		cases := filterCases(linkOf(t, l, "near").MAC)
		for _, c := range cases {
			if round > 0 {
				changeByte(random, c.frame)
			}
			send(t, far, c.frame)
		}
		send(t, far, reply(last))
		got, want := readUntil(t, program, last), readUntil(t, classic, last)
		same := func(a, b frame.Frame) bool { return bytes.Equal(a[frame.HeaderLen:], b[frame.HeaderLen:]) }
		if !slices.EqualFunc(got, want, same) {
			for _, c := range cases {
				a, b := contains(got, c.frame), contains(want, c.frame)
				if a != b {
					t.Errorf("%s: receive_none accepts: %v, the classic filter: %v: % x", c.what, a, b, c.frame)
				}
			}
			t.Fatalf("round %d: %d frames pass receive_none, %d the classic filter", round, len(got), len(want))
		}
		accepted += len(got) - 1
	}
	if accepted < 5*rounds {
		t.Errorf("only %d frames accepted in %d rounds: the comparison is weak", accepted, rounds)
	}
}

// changeByte changes one byte that either filter may read. It leaves the source address
// alone, which holds the number of the frame.
func changeByte(random *rand.Rand, f frame.Frame) {
	const source, etherType = 6, 12
	at := random.IntN(min(56, len(f)-frame.HeaderLen))
	if at < source || at >= etherType {
		f[frame.HeaderLen+at] ^= 1 << random.IntN(8)
	}
}

// contains reports whether frames has a frame with the bytes of f.
func contains(frames []frame.Frame, f frame.Frame) bool {
	return slices.ContainsFunc(frames, func(g frame.Frame) bool {
		return bytes.Equal(g[frame.HeaderLen:], f[frame.HeaderLen:])
	})
}
