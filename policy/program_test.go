package policy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

func TestZeroProgramRelays(t *testing.T) {
	if prog := (Policy{}).Compile(12345, 678); prog != (Program{}) {
		t.Errorf("pass compiles to %+v, want the zero Program", prog)
	}
	var prog Program
	for seq := range uint64(100_000) {
		if got := prog.Decide(Time(seq*seq), seq).By; got != Relay {
			t.Fatalf("packet %d: %v", seq, got)
		}
	}
}

// The program is copied into a BPF map as it lies in memory.
func TestProgramIsFlat(t *testing.T) {
	var prog Program
	words := wordsOf(reflect.ValueOf(&prog).Elem())
	for i, word := range words {
		if word.Kind() != reflect.Uint64 || !word.CanSet() {
			t.Errorf("word %d: %v", i, word.Type())
		} else if at := word.Addr().Pointer() - reflect.ValueOf(&prog).Pointer(); at != uintptr(8*i) {
			t.Errorf("word %d: at offset %d", i, at)
		}
	}
	if size := reflect.TypeOf(prog).Size(); size != uintptr(8*len(words)) {
		t.Errorf("%d bytes, and %d words", size, len(words))
	}
}

// wordsOf returns what a structure consists of, and what structures and arrays in it consist
// of, in order.
func wordsOf(v reflect.Value) (words []reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			words = append(words, wordsOf(v.Field(i))...)
		}
	case reflect.Array:
		for i := range v.Len() {
			words = append(words, wordsOf(v.Index(i))...)
		}
	default:
		words = append(words, v)
	}
	return words
}

func TestVerdictString(t *testing.T) {
	lost := func(by Stage) Verdict { return Verdict{Loss: Loss{By: by}} }
	for v, want := range map[Verdict]string{
		{}: "relay", lost(ByPercent): "drop by percent", lost(ByTime): "drop by time", lost(63): "drop by stage 63",
		{Loss: Loss{ByEvery, true}}:                              "mark by every",
		{Loss: Loss{ByEvery, true}, Delay: 1500}:                 "mark by every, 1.5µs",
		{Change: Change{Copies: 1, Flips: 1, Behind: 3}}:         "1 copy, 1 flip, 3 behind",
		{Change: Change{Copies: 2, Flips: 2}, Delay: 20_000_000}: "2 copies, 2 flips, 20ms",
	} {
		if got := v.String(); got != want {
			t.Errorf("%+v: %q, want %q", v, got, want)
		}
	}
	if got := Relay.String() + ByQueue.String() + Stage(63).String(); got != "relayqueuestage 63" {
		t.Error(got)
	}
}

// A mark is a loss only for a packet that cannot be marked.
func TestVerdictSettles(t *testing.T) {
	relay, drop := Verdict{Delay: 5}, Verdict{Loss: Loss{By: ByTime}}
	mark := Verdict{Loss{ByPercent, true}, Change{1, 2, 3}, 4}
	for _, c := range []struct {
		v       Verdict
		capable bool
		want    Verdict
		lost    bool
	}{
		{relay, true, relay, false}, {relay, false, relay, false},
		{drop, true, drop, true}, {drop, false, drop, true},
		{mark, true, mark, false}, {mark, false, Verdict{Loss: Loss{By: ByPercent}}, true},
	} {
		if got := c.v.Settle(c.capable); got != c.want || got.Lost() != c.lost {
			t.Errorf("%v, capable %v: %v, lost %v", c.v, c.capable, got, got.Lost())
		}
	}
}

// unmix64 undoes mix64, so that a test can choose a draw and find the key.
func unmix64(z uint64) uint64 {
	unshift := func(z uint64, by int) uint64 {
		x := z
		for n := by; n < 64; n += by {
			x = z ^ x>>by
		}
		return x
	}
	z = unshift(z, 31) * inverse(0x94d049bb133111eb)
	z = unshift(z, 27) * inverse(0xbf58476d1ce4e5b9)
	return unshift(z, 30)
}

// inverse of an odd number modulo 2⁶⁴, by Newton's iteration.
func inverse(odd uint64) uint64 {
	x := odd
	for range 6 {
		x *= 2 - odd*x
	}
	return x
}

// Whole programs at each boundary of the draw: exactly the draws below the
// chance drop, whatever the packet's number and the draw's unused low half.
func TestDecideAtBoundaryDraws(t *testing.T) {
	if z := uint64(0x0123456789abcdef); mix64(unmix64(z)) != z {
		t.Fatal("unmix64 does not undo mix64")
	}
	for _, text := range []string{"0", "0.000001", "0.01", "1", "33.333", "50", "66.667", "99", "99.99", "99.999999", "100"} {
		prog := compile(t, "percent "+text, 0, 1)
		boundary := int64(prog.PercentDrop)
		for _, d := range []int64{0, 1, boundary - 1, boundary, boundary + 1, math.MaxUint32 - 1, math.MaxUint32} {
			if d < 0 || d > math.MaxUint32 {
				continue // not a draw
			}
			for _, seq := range []uint64{0, 1, 1 << 40, math.MaxUint64} {
				for _, low := range []uint64{0, math.MaxUint32} {
					prog.PercentKey = unmix64(uint64(d)<<32|low) - seq*gamma
					want := Relay
					if d < boundary {
						want = ByPercent
					}
					if got := prog.Decide(0, seq).By; got != want {
						t.Errorf("percent %s, draw %d, packet %d: %v, want %v", text, d, seq, got, want)
					}
				}
			}
		}
	}
}

// The trace depends on nothing but program, time and number: not on the
// number of threads, not on the batches in which packets come, not on the
// order in which they are asked about.
func TestDecideIsReproducible(t *testing.T) {
	n := many(10_000_000)
	prog := compile(t, "percent 66.667 time 1ms 500us", 0, 42)
	want := make(verdicts, n)
	for i := range want {
		want[i] = uint8(prog.Decide(Time(i)*100, uint64(i)).By)
	}
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	for _, c := range []struct{ threads, batch int }{{1, 1}, {1, 128}, {2, 16}, {2, 45}, {16, 16}, {16, 128}} {
		t.Run(fmt.Sprintf("threads=%d/batch=%d", c.threads, c.batch), func(t *testing.T) {
			runtime.GOMAXPROCS(c.threads)
			got := decideInBatches(&prog, n, c.threads, c.batch)
			if !slices.Equal(got, want) {
				t.Error("verdicts differ")
			}
		})
	}
}

// decideInBatches lets workers race for batches, from the last to the first.
func decideInBatches(prog *Program, n, workers, batch int) verdicts {
	v := make(verdicts, n)
	var left atomic.Int64
	left.Store(int64(n))
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for {
				end := int(left.Add(int64(-batch))) + batch
				if end <= 0 {
					return
				}
				for i := max(0, end-batch); i < end; i++ {
					v[i] = uint8(prog.Decide(Time(i)*100, uint64(i)).By)
				}
			}
		})
	}
	group.Wait()
	return v
}

// A change in mid-run leaves no trace once it is taken back, though the new
// program has another epoch.
func TestDecideAfterChangeAndBack(t *testing.T) {
	n := many(1_000_000)
	want := decide(compile(t, "percent 90", 0, 8), 0, n)
	for _, between := range []string{"pass", "percent 10", "percent 0", "percent 90.000001", "time 1 1", "percent 50 time 2s 1s"} {
		other, back := compile(t, between, 1000, 8), compile(t, "percent 90", 2000, 8)
		for i := range n {
			prog, now := &back, Time(i)
			if i > n/3 && i < n/2 {
				prog = &other
			}
			got := prog.Decide(now, uint64(i)).By
			if prog == &back && uint8(got) != want[i] {
				t.Fatalf("%s between: packet %d: %v", between, i, got)
			}
		}
	}
}

// randomProgram favours the values at which something happens.
func randomProgram(rng *rand.Rand) Program {
	values := []uint64{0, 0, 0, 1, 2, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 1, 1 << 63, math.MaxUint64}
	value := func() uint64 {
		if rng.UintN(3) == 0 {
			return rng.Uint64() >> rng.UintN(64)
		}
		return values[rng.IntN(len(values))]
	}
	var prog Program
	words := (*[unsafe.Sizeof(prog) / 8]uint64)(unsafe.Pointer(&prog)) // those of stages to come, too
	for i := range words {
		words[i] = value()
	}
	// Each chain and each block that never ends costs as much as thousands of packets.
	if rng.UintN(1024) != 0 {
		prog.Stages &^= chained | 1<<ByExactly
	}
	return prog
}

// Every program has verdicts, whatever is in its fields, also such as no policy compiles
// to. They are the same each time, and within what the line can do.
func TestAnyProgram(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 9))
	var places []uint64
	for range 50_000 {
		prog, arrival, seq := randomProgram(rng), Time(rng.Uint64()), rng.Uint64()
		v := prog.Decide(arrival, seq)
		if again := prog.Decide(arrival, seq); again != v {
			t.Fatalf("%+v: %v and %v", prog, v, again)
		}
		if v.Lost() && (v.Change != Change{} || v.Delay != 0) || v.Copies > maxCopies || v.Flips > maxFlips || v.Behind > maxBehind {
			t.Fatalf("%+v: %v", prog, v)
		}
		for ordinal := range v.Copies {
			if c := prog.Copy(arrival, seq, ordinal+1); c.Loss != (Loss{}) || c.Copies != 0 {
				t.Fatalf("%+v: copy %v", prog, c)
			}
		}
		if places = prog.Flip(places[:0], seq, 0, rng.Uint64()>>rng.UintN(64)); len(places) > maxFlips {
			t.Fatalf("%+v: %d places", prog, len(places))
		}
		if _, left := prog.LinkTime(rng.Uint64(), rng.Uint64()); left != 0 && left >= prog.RateBits {
			t.Fatalf("%+v: %d left", prog, left)
		}
		prog.MaxDelay(arrival)
		if prog.SlotLength(seq) == 0 && prog.SlotMin != 0 && prog.SlotMax-prog.SlotMin != math.MaxUint64 {
			t.Fatalf("%+v: a slot without length", prog)
		}
	}
}

// If Uniform says so, the segments of one frame have one verdict.
func TestUniformFramesHaveOneVerdict(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	whole := 0
	for range 50_000 {
		prog, segments := randomProgram(rng), rng.Uint32N(65)
		if !prog.Uniform(segments) {
			continue
		}
		whole++
		now, first := Time(rng.Uint64()), rng.Uint64()
		for i := range uint64(segments) {
			if a, b := prog.Decide(now, first), prog.Decide(now, first+i); a != b {
				t.Fatalf("%+v at %d: packet %d: %v, packet %d: %v", prog, now, first, a, first+i, b)
			}
		}
	}
	if whole < 1000 {
		t.Errorf("only %d programs were put to the test", whole)
	}
}

func TestUniform(t *testing.T) {
	for text, want := range map[string]bool{
		"pass": true, "percent 100": true, "percent 0": true, "time 1 1": true, "percent 0 time 1 1": true,
		"percent 50": false, "percent 99.999999": false, "percent 0.000001": false, "percent 99 time 1 1": false,
		"every 1": true, "every 2": false, "every 18446744073709551615": false, "percent 0 every 2": true, "percent 100 every 2": false,
		"percent 100 every 1": true, "percent 50 every 1": false, "every 2 time 1 1": false,
		"percent 99 run 5": false, "percent 100 run 5": true, "gemodel 1": false, "state 1": false, "exactly 1 of 2": false, "drop 5": false,
		"exactly 1 of 2 every 1": true, "drop 5 every 1": true, "drop 5 every 2": false, "gemodel 1 every 1": false,
		"percent 0 gemodel 1 state 1 exactly 1 of 2 drop 5": true,
	} {
		prog := compile(t, text, 0, 1)
		for segments, want := range map[uint32]bool{0: true, 1: true, 2: want, 45: want, math.MaxUint32: want} {
			if got := prog.Uniform(segments); got != want {
				t.Errorf("%s, %d segments: %v, want %v", text, segments, got, want)
			}
		}
	}
}

// Only the chances that are no gamble let a frame go whole.
func TestUniformAtBoundaryChances(t *testing.T) {
	for drop, want := range map[uint64]bool{
		0: true, 1: false, uint64(Always) - 1: false, uint64(Always): true, uint64(Always) + 1: true, math.MaxUint64: true,
	} {
		if got := (&Program{PercentDrop: drop}).Uniform(2); got != want {
			t.Errorf("chance %d: %v, want %v", drop, got, want)
		}
	}
}

// The stages beside loss allocate nothing either. A thousand packets a run, as the average is rounded down.
func TestDecideDoesNotAllocate(t *testing.T) {
	prog := compile(t, "percent 50 run 5 gemodel 1 10 50 state 1 10 20 30 exactly 1 of 10 drop 5 time 1ms 1ms ecn duplicate 50 corrupt 50 rate 1gbit delay 5ms jitter 1ms normal correlation 50 reorder 50 slot 1ms 2ms", 0, 1)
	var seq uint64
	memo := new(Memo)
	if n := testing.AllocsPerRun(10, func() {
		for range 1000 {
			prog.Decide(Time(seq), seq)
			prog.DecideWith(memo, Time(seq), seq)
			prog.Copy(Time(seq), seq, 1)
			prog.LinkTime(1514, 0)
			prog.SlotLength(seq)
			prog.MaxDelay(Time(seq))
			prog.Uniform(45)
			seq++
		}
	}); n != 0 {
		t.Errorf("%v allocations in 1000 packets", n)
	}
}
