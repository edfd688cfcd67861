package policy

import (
	"math"
	"testing"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// Outputs of the published SplitMix64 for two seeds: output i of seed s is
// mix64(s + i·gamma).
func TestMix64IsSplitMix64(t *testing.T) {
	for seed, want := range map[uint64][]uint64{
		0: {0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f, 0xf88bb8a8724c81ec, 0x1b39896a51a8749b},
		1234567: {6457827717110365317, 3203168211198807973, 9817491932198370423,
			4593380528125082431, 16408922859458223821},
	} {
		for i, want := range want {
			if got := mix64(seed + uint64(i+1)*gamma); got != want {
				t.Errorf("output %d of seed %d = %#x, want %#x", i+1, seed, got, want)
			}
		}
	}
}

// These never change: a seed that somebody wrote down must replay the same
// losses. They were computed by another program in another language.
func TestVerdictsOfSeedNeverChange(t *testing.T) {
	for _, c := range []struct {
		seed, key uint64
		draws     [5]uint32 // of packets 0, 1, 2, 2³², 2⁶⁴−1
		verdicts  string    // of packets 0 to 63 at percent 50
	}{
		{0, 0xa706dd2f4d197e6f, [5]uint32{0xb49ab477, 0x238275bc, 0xf89a2566, 0xa7ddd5a4, 0xce303ac3},
			".x.x..x.xx..xxx..xx.xx..x....x..xx...x.xxxxx.....x.xx.xxx.x..xxx"},
		{1, 0x5e41ab087439611e, [5]uint32{0xa7ed8821, 0xb18a02f4, 0xf8c5b62c, 0x16db58e9, 0x6d2af35c},
			"...x.x..xxxxx.x.xxx.......xxx....xx....xx..x.xx...xx.x..xxxx...x"},
		{2000, 0x79e25296c243009, [5]uint32{0x63242ffd, 0x173129b4, 0x612bba6f, 0x5ee0b29b, 0x9eb61db2},
			"xxxxxxx..x.....xxx.xx.xxx.xx.x...xxxxxxx.xxxx...x.x...xxxxx.x..."},
		{math.MaxUint64, 0x5dc20aa7b2a27137, [5]uint32{0x595cec62, 0xfc042709, 0x49338462, 0x2f59f56a, 0xd44cfc07},
			"x.x....xxxx.x.xx.x...x..xx.xxxxxx..x....xxxxx....xxxxx....x...xx"},
	} {
		prog := compile(t, "percent 50", 0, c.seed)
		if prog.PercentKey != c.key {
			t.Errorf("seed %d: key %#x, want %#x", c.seed, prog.PercentKey, c.key)
		}
		for i, seq := range []uint64{0, 1, 2, 1 << 32, math.MaxUint64} {
			if got := draw(prog.PercentKey, seq); got != c.draws[i] {
				t.Errorf("seed %d: draw %d = %#x, want %#x", c.seed, seq, got, c.draws[i])
			}
		}
		got := make([]byte, 64)
		for i := range got {
			got[i] = ".x"[prog.Decide(0, uint64(i)).By]
		}
		if string(got) != c.verdicts {
			t.Errorf("seed %d:\n got %s\nwant %s", c.seed, got, c.verdicts)
		}
	}
}

// The subseeds of one seed, and those of the seeds that people choose, are all
// different: no direction and no stage inherits the draws of another.
func TestSubseedsDiffer(t *testing.T) {
	seen := map[uint64][2]uint64{}
	for _, seed := range neighbours(7) {
		for index := range uint64(1000) {
			s := Subseed(seed, index)
			if was, ok := seen[s]; ok {
				t.Fatalf("Subseed(%d, %d) = Subseed(%d, %d)", seed, index, was[0], was[1])
			}
			seen[s] = [2]uint64{seed, index}
		}
	}
}

// neighbours are seeds that differ from s in ways in which a careless hash
// would not tell apart.
func neighbours(s uint64) []uint64 {
	var step uint64 = gamma // a variable, as the sums below wrap around
	return []uint64{s, s + 1, s + 2, s - 1, s + step, s - step, s + 2*step, s ^ 1<<63, s ^ 1<<32, ^s, -s}
}

func TestDrawsAreUniform(t *testing.T) {
	for _, seed := range neighbours(7) {
		var high, low, middle [256]int
		for seq := range uint64(1 << 18) {
			d := draw(Subseed(seed, 1), seq)
			high[d>>24]++
			middle[d>>12&0xff]++
			low[d&0xff]++
		}
		accept(t, uniformP(high[:]), "high byte, seed %d", seed)
		accept(t, uniformP(middle[:]), "middle byte, seed %d", seed)
		accept(t, uniformP(low[:]), "low byte, seed %d", seed)
	}
}

// A chance covers exactly the draws below it, at each boundary.
func TestChanceCovers(t *testing.T) {
	for _, c := range []Chance{0, 1, 2, 43, 1 << 16, 1<<31 - 1, 1 << 31, 1<<31 + 1, Always - 2, Always - 1, Always} {
		for _, at := range []int64{0, int64(c) - 1, int64(c), int64(c) + 1, math.MaxUint32} {
			if at < 0 || at > math.MaxUint32 {
				continue // not a draw
			}
			if got, want := c.covers(uint32(at)), at < int64(c); got != want {
				t.Errorf("chance %d covers draw %d: %v, want %v", c, at, got, want)
			}
		}
	}
}

func TestChanceOfFraction(t *testing.T) {
	const hundred = uint64(unit.Hundred)
	for _, c := range []struct {
		n, of uint64
		want  Chance
	}{
		{0, 1, 0}, {1, 1, Always}, {1, 2, 1 << 31}, {1, 3, 1431655765}, {2, 3, 2863311531},
		{0, hundred, 0}, {1, hundred, 43}, {hundred - 1, hundred, Always - 43}, {hundred, hundred, Always},
		{1<<31 - 2, 1<<31 - 1, Always - 2},
	} {
		if got := chance(c.n, c.of); got != c.want {
			t.Errorf("chance(%d, %d) = %d, want %d", c.n, c.of, got, c.want)
		}
	}
}
