package policy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// lostOfBlock says which packets of a block are lost, in another way than exactlyDrops: it
// has the whole table shuffled, and takes the places behind the block out of it.
func lostOfBlock(prog *Program, block uint64) []bool {
	key := hash(prog.ExactlyKey, block)
	if prog.ExactlyOf <= maxCards {
		return lostOfCards(prog, key)
	}
	to := make([]uint64, prog.ExactlyRows*prog.ExactlyColumns)
	for at := range to {
		to[at] = prog.permute(key, uint64(at))
	}
	for behind := len(to) - 1; behind >= int(prog.ExactlyOf); behind-- {
		for at := range to { // who came behind the block takes the way of that place
			if to[at] == uint64(behind) {
				to[at] = to[behind]
			}
		}
	}
	lost := make([]bool, prog.ExactlyOf)
	for at := range lost {
		lost[at] = to[at] < prog.ExactlyLost
	}
	return lost
}

// lostOfCards shuffles all cards of a block.
func lostOfCards(prog *Program, key uint64) []bool {
	cards := make([]uint64, prog.ExactlyOf)
	for at := range cards {
		cards[at] = uint64(at)
	}
	for place := len(cards) - 1; place > 0; place-- {
		from := uint64(draw(key, uint64(place))) * uint64(place+1) >> 32
		cards[place], cards[from] = cards[from], cards[place]
	}
	lost := make([]bool, prog.ExactlyOf)
	for _, card := range cards[:prog.ExactlyLost] {
		lost[card] = true
	}
	return lost
}

// Of each block of N packets exactly K are lost, and those that the permutation says: 10⁷
// packets, and not one mismatch.
func TestExactlyIsExact(t *testing.T) {
	blocks := []struct{ lost, of uint64 }{
		{0, 1}, {1, 1}, {1, 2}, {1, 3}, {2, 3}, {3, 10}, {0, 10}, {10, 10}, {9, 64}, {63, 64}, {1, 65}, {1, 45}, {44, 45}, {5, 67}, {50, 97}, {500, 1000}, {1, 997}, {7, 4999},
	}
	n := uint64(many(10_000_000)) / uint64(len(blocks))
	for _, b := range blocks {
		t.Run(fmt.Sprintf("%d of %d", b.lost, b.of), func(t *testing.T) {
			prog := compile(t, fmt.Sprintf("exactly %d of %d", b.lost, b.of), 0, 11)
			for block := range max(1, n/b.of) {
				count, want := uint64(0), []bool(nil)
				if block < 20 || b.of < 50 {
					want = lostOfBlock(&prog, block)
				}
				for at := range b.of {
					lost := prog.Decide(0, block*b.of+at).By == ByExactly
					if lost {
						count++
					}
					if want != nil && lost != want[at] {
						t.Fatalf("block %d, place %d: lost %v, want %v", block, at, lost, want[at])
					}
				}
				if count != b.lost {
					t.Fatalf("block %d: %d lost", block, count)
				}
			}
		})
	}
}

// The same for the largest blocks, whose tables have places behind the block, and far from
// the first number.
func TestExactlyOfLargeBlocks(t *testing.T) {
	for _, of := range []uint64{maxBlock, maxBlock - 1, 999_983, 123_457} {
		prog := compile(t, fmt.Sprintf("exactly 1000 of %d", of), 0, 12)
		if behind := prog.ExactlyRows*prog.ExactlyColumns - of; behind >= maxRepeats {
			t.Errorf("%d of %d places are behind the block", behind, of)
		}
		if raceDivisor > 1 && of != maxBlock-1 {
			continue
		}
		count, first := 0, (uint64(1)<<40)/of*of
		for at := range of {
			if prog.Decide(0, first+at).By == ByExactly {
				count++
			}
		}
		if count != 1000 {
			t.Errorf("%d of %d lost", count, of)
		}
	}
}

// Every table has room for its block, and not so much more that a packet is moved too often.
func TestExactlyTables(t *testing.T) {
	for of := uint64(1); of <= maxBlock; of += 1 + of/5000 {
		rows, columns := tableFor(of)
		if rows*columns < of || rows*columns-of >= maxRepeats || rows*columns-of >= of && of > 1 {
			t.Fatalf("%d: %d × %d", of, rows, columns)
		}
	}
}

// All ways to lose K of N packets are equally likely, and blocks are independent.
func TestExactlyDrawsAllPlaces(t *testing.T) {
	for _, b := range []struct{ lost, of int }{{1, 2}, {1, 3}, {2, 3}, {2, 4}, {2, 5}, {3, 6}, {1, 7}, {3, 7}, {2, 8}, {4, 8}, {3, 10}, {5, 12}} {
		prog := compile(t, fmt.Sprintf("exactly %d of %d", b.lost, b.of), 0, 13)
		counts, before, pairs := map[int]int{}, 0, [2][2]int{}
		blocks := max(many(100_000), 20*choose(b.of, b.lost))
		for block := range blocks {
			set := 0
			for at := range b.of {
				if prog.Decide(0, uint64(block*b.of+at)).By != Relay {
					set |= 1 << at
				}
			}
			counts[set]++
			pairs[before&1][set&1]++
			before = set
		}
		if want := choose(b.of, b.lost); len(counts) != want {
			t.Errorf("%d of %d: %d of %d ways", b.lost, b.of, len(counts), want)
		}
		var ways []int
		for _, n := range counts {
			ways = append(ways, n)
		}
		accept(t, uniformP(ways), "%d of %d: ways of loss", b.lost, b.of)
		accept(t, contingencyP([][]int{pairs[0][:], pairs[1][:]}), "%d of %d: a block and the next", b.lost, b.of)
	}
}

func choose(n, k int) int {
	c := 1
	for i := range k {
		c = c * (n - i) / (i + 1)
	}
	return c
}

// In larger blocks each place is lost as often as any other, and each pair.
func TestExactlyPlacesAndPairs(t *testing.T) {
	for _, of := range []int{20, 64, 65, 67, 101} {
		checkPlacesAndPairs(t, of)
	}
}

func checkPlacesAndPairs(t *testing.T, of int) {
	t.Helper()
	lostOf := of / 3
	prog := compile(t, fmt.Sprintf("exactly %d of %d", lostOf, of), 0, 14)
	places, pairs := make([]int, of), make([]int, of*(of-1)/2)
	blocks := many(300_000 / of)
	for block := range blocks {
		var lost []int
		for at := range of {
			if prog.Decide(0, uint64(block*of+at)).By != Relay {
				lost = append(lost, at)
			}
		}
		for i, a := range lost {
			places[a]++
			for _, b := range lost[:i] {
				pairs[a*(a-1)/2+b]++
			}
		}
	}
	// Of exactly K places the counts vary less than independent ones, by (1 − K/N)·N/(N−1).
	n, k := float64(of), float64(lostOf)
	want, x := float64(blocks)*k/n, 0.0
	for _, count := range places {
		x += (float64(count) - want) * (float64(count) - want) / want
	}
	accept(t, chiSquareP(x/(1-k/n)*(n-1)/n, of-1), "%d: places", of)
	want, x = float64(blocks)*k*(k-1)/(n*(n-1)), 0.0
	for _, count := range pairs {
		x = max(x, math.Abs(float64(count)-want)/math.Sqrt(want*(1-want/float64(blocks))))
	}
	accept(t, float64(len(pairs))*normalP(x), "%d: the strangest pair, %.1f standard deviations", of, x)
}

// Another seed has other places; K more loses what K loses, and more.
func TestExactlySeedsAndMore(t *testing.T) {
	few, more := compile(t, "exactly 3 of 10", 0, 15), compile(t, "exactly 5 of 10", 0, 15)
	other := compile(t, "exactly 3 of 10", 0, 16)
	differ := 0
	for seq := range uint64(10_000) {
		a := few.Decide(0, seq).By
		if a != Relay && more.Decide(0, seq).By == Relay {
			t.Fatalf("packet %d is lost with 3 of 10, and not with 5", seq)
		}
		if a != other.Decide(0, seq).By {
			differ++
		}
	}
	if differ < 3000 {
		t.Errorf("two seeds differ in %d of 10000 packets", differ)
	}
}

// Programs that no policy compiles to have verdicts as well.
func TestExactlyOfAnyProgram(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		prog := randomProgram(r)
		prog.Stages |= 1 << ByExactly
		a, b := prog.Decide(0, 7), prog.Decide(0, 7)
		if a != b {
			t.Fatalf("%v, and %v", a, b)
		}
	}
}
