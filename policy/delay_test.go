package policy

import (
	"math"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/policy/dist/disttest"
)

// kolmogorov is the Kolmogorov–Smirnov distance of the samples from a distribution of which
// quantile(p, 1−p) is given: the largest difference of the two distribution functions,
// looked for at 20,000 quantiles.
func kolmogorov(samples []float64, quantile func(p, upper float64) float64) float64 {
	sort.Float64s(samples)
	const steps = 20_000
	largest := 0.0
	for i := 1; i < steps; i++ {
		p := float64(i) / steps
		at := quantile(p, 1-p)
		below := sort.SearchFloat64s(samples, at)
		largest = max(largest, math.Abs(float64(below)/float64(len(samples))-p))
	}
	return largest
}

// nearDistribution fails if the samples do not come from the distribution. The bound is
// 0.0025 for a million samples, which good draws exceed once in 10⁵ times.
func nearDistribution(t *testing.T, samples []float64, quantile func(p, upper float64) float64, what string) {
	t.Helper()
	if d, most := kolmogorov(samples, quantile), 2.5/math.Sqrt(float64(len(samples))); d > most {
		t.Errorf("%s: distance %.5f, want at most %.5f", what, d, most)
	}
}

// shapes are the words for the distributions, and the names that disttest has for them.
var shapes = map[string]string{"": "uniform", " uniform": "uniform", " normal": "normal", " pareto": "pareto", " paretonormal": "paretonormal"}

// The delays of packets have the distribution that was asked for, and so have those of
// copies, of slices and of correlated draws.
func TestDelayDistribution(t *testing.T) {
	const mean, spread = 1e9, 1e8
	for word, name := range shapes {
		for _, seed := range []uint64{0, 1, 2000} {
			each := compile(t, "delay 1s jitter 100ms"+word+" each", 0, seed)
			sliced := compile(t, "delay 1s jitter 100ms"+word+" every 10us", 77, seed)
			n := many(1_000_000)
			packets, copies, slices := make([]float64, n), make([]float64, n), make([]float64, n)
			for i := range uint64(n) {
				packets[i] = (float64(each.Decide(Time(i), i).Delay) - mean) / spread
				copies[i] = (float64(each.Copy(Time(i), i, 1).Delay) - mean) / spread
				slices[i] = (float64(sliced.Decide(Time(77+10_000*i), 5).Delay) - mean) / spread
			}
			quantile := func(p, upper float64) float64 { return disttest.Quantile(name, p, upper) }
			nearDistribution(t, packets, quantile, name+", packets")
			nearDistribution(t, copies, quantile, name+", copies")
			nearDistribution(t, slices, quantile, name+", slices")
		}
	}
}

// The test above tells a distribution from one that is a little off.
func TestKolmogorovTellsGoodFromBad(t *testing.T) {
	prog := compile(t, "delay 1s jitter 100ms normal each", 0, 3)
	good, shifted, wide := make([]float64, 1_000_000), make([]float64, 1_000_000), make([]float64, 1_000_000)
	for i := range good {
		x := (float64(prog.Decide(0, uint64(i)).Delay) - 1e9) / 1e8
		good[i], shifted[i], wide[i] = x, x+0.01, x*1.02
	}
	for _, c := range []struct {
		samples []float64
		want    bool
	}{{good, true}, {shifted, false}, {wide, false}} {
		d := kolmogorov(c.samples, func(p, upper float64) float64 { return disttest.Quantile("normal", p, upper) })
		if (d <= 0.0025) != c.want {
			t.Errorf("distance %.5f", d)
		}
	}
}

// Between neighbours, packets and their copies, and delays and losses, there is no
// connection: a 16 × 16 table of which sixteenth each delay is in.
func TestDelaysAreIndependent(t *testing.T) {
	prog := compile(t, "percent 50 duplicate 50 corrupt 50 delay 16s jitter 16s each reorder 50", 0, 4)
	free := compile(t, "delay 16s jitter 16s each", 0, 4)
	bin := func(d Time) int { return min(15, int(d/2_000_000_000)) }
	tables := map[string]func(n uint64) (int, int){
		"the next packet":      func(n uint64) (int, int) { return bin(free.Decide(0, n).Delay), bin(free.Decide(0, n+1).Delay) },
		"the first copy":       func(n uint64) (int, int) { return bin(free.Decide(0, n).Delay), bin(free.Copy(0, n, 1).Delay) },
		"copies":               func(n uint64) (int, int) { return bin(free.Copy(0, n, 1).Delay), bin(free.Copy(0, n, 2).Delay) },
		"the copy of the next": func(n uint64) (int, int) { return bin(free.Copy(0, n, 1).Delay), bin(free.Copy(0, n+1, 1).Delay) },
		"loss":                 func(n uint64) (int, int) { return bin(free.Decide(0, n).Delay), int(prog.Decide(0, n).By) },
		"copying": func(n uint64) (int, int) {
			return bin(free.Decide(0, n).Delay), int(draw(prog.DuplicateKey, n) >> 28)
		},
		"damage":     func(n uint64) (int, int) { return bin(free.Decide(0, n).Delay), int(draw(prog.CorruptKey, n) >> 28) },
		"reordering": func(n uint64) (int, int) { return bin(free.Decide(0, n).Delay), int(draw(prog.ReorderKey, n) >> 28) },
	}
	for what, pair := range tables {
		table := make([][]int, 16)
		for i := range table {
			table[i] = make([]int, 16)
		}
		for n := range uint64(many(400_000)) {
			a, b := pair(n)
			table[a][b]++
		}
		for i := range table {
			table[i] = slices.DeleteFunc(table[i], func(c int) bool { return c == 0 })
		}
		accept(t, contingencyP(table), "delay and %s", what)
	}
}

// Adding or changing another stage moves no delay.
func TestDelayMovesWithNothing(t *testing.T) {
	alone := compile(t, "delay 20ms jitter 5ms normal each", 0, 9)
	for _, text := range []string{
		"percent 50", "every 3", "time 5us 5us", "percent 50 ecn", "duplicate 50 copies 7", "corrupt 50 bits 3", "rate 1mbit queue 10 mark 1ms", "reorder 50 by 3", "slot 1ms 2ms",
	} {
		prog := compile(t, text+" delay 20ms jitter 5ms normal each", 0, 9)
		for n := range uint64(10_000) {
			v := prog.Decide(Time(n), n)
			if v.Lost() {
				continue
			}
			if want := alone.Decide(Time(n), n); v.Delay != want.Delay || prog.Copy(0, n, 3).Delay != alone.Copy(0, n, 3).Delay {
				t.Fatalf("%s: packet %d: %v, want %v", text, n, v.Delay, want.Delay)
			}
		}
	}
}

// A correlation keeps the distribution, and the draw of the packet before as often as asked.
func TestDelayCorrelation(t *testing.T) {
	for _, c := range []struct {
		text string
		keep float64
	}{{"25", 0.25}, {"50", 0.5}, {"90", 0.9}, {"99", 0.99}} {
		prog := compile(t, "delay 1s jitter 100ms normal correlation "+c.text, 0, 11)
		n := many(400_000)
		last, kept := Time(0), 0
		sum, lagged := 0.0, 0.0
		for i := range uint64(n) {
			d := prog.Decide(0, i).Delay
			if d == last {
				kept++
			}
			x, y := float64(d)-1e9, float64(last)-1e9
			if i > 0 {
				lagged += x * y
			}
			sum += x * x
			last = d
		}
		accept(t, binomialP(kept, n-1, c.keep), "kept %d of %d at %s %%", kept, n, c.text)
		if r := lagged / sum; math.Abs(r-c.keep) > 0.02*(1-c.keep)*math.Sqrt(400_000/float64(n))+0.003 {
			t.Errorf("correlation %.4f, want %s %%", r, c.text)
		}
	}
	sliced := compile(t, "delay 1s jitter 100ms every 1ms correlation 50", 0, 11)
	kept := 0
	for i := range uint64(100_000) {
		if sliced.Decide(Time(i*1_000_000), 0).Delay == sliced.Decide(Time((i+1)*1_000_000), 7).Delay {
			kept++
		}
	}
	accept(t, binomialP(kept, 100_000, 0.5), "slices kept %d of 100000", kept)
}

// A slice has one delay, from its first nanosecond to its last, for all packets.
func TestDelaySlices(t *testing.T) {
	const epoch, slice = 123_456_789, 50_000_000
	prog := compile(t, "delay 20ms jitter 5ms", epoch, 12) // ten times the jitter
	differ := 0
	for k := range uint64(1000) {
		begin := Time(epoch + k*slice)
		first, last := prog.Decide(begin, k), prog.Decide(begin+slice-1, 3*k)
		if first != last || prog.Copy(begin, 5, 1).Delay != first.Delay || prog.MaxDelay(begin) != first.Delay {
			t.Fatalf("slice %d: %v and %v", k, first, last)
		}
		if prog.Decide(begin+slice, k) != first {
			differ++
		}
	}
	if differ < 990 {
		t.Errorf("only %d of 1000 slices differ from the next", differ)
	}
	if prog.Decide(0, 1) != prog.Decide(epoch, 1) {
		t.Error("before the epoch is another slice")
	}
}

// No packet waits longer than MaxDelay says, and with a constant delay all exactly so.
func TestMaxDelay(t *testing.T) {
	for text, want := range map[string]Time{"pass": 0, "delay 20ms": 20_000_000, "rate 1mbit": 0, "delay 20ms jitter 5ms each": 25_000_000} {
		prog := compile(t, text, 0, 1)
		if got := prog.MaxDelay(5); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
	for word := range shapes {
		prog := compile(t, "delay 1s jitter 100ms"+word+" each", 0, 1)
		for n := range uint64(100_000) {
			if d := prog.Decide(0, n).Delay; d > prog.MaxDelay(0) {
				t.Fatalf("%s: %d, above %d", word, d, prog.MaxDelay(0))
			}
		}
	}
}

// Below zero is zero, and the mean that is shown is the mean that comes.
func TestDelayNeverNegative(t *testing.T) {
	p, err := Parse("delay 5ms jitter 10ms normal each")
	if err != nil {
		t.Fatal(err)
	}
	prog, n, sum, zeros := p.Compile(0, 1), many(1_000_000), 0.0, 0
	for i := range uint64(n) {
		d := prog.Decide(0, i).Delay
		if d == 0 {
			zeros++
		}
		sum += float64(d) / float64(n)
	}
	accept(t, binomialP(zeros, n, 0.5*math.Erfc(0.5/math.Sqrt2)), "%d of %d are zero", zeros, n)
	want := float64(p.Asked().Delay)
	if math.Abs(sum-want) > 5*float64(p.Asked().Spread)/math.Sqrt(float64(n)) {
		t.Errorf("mean %.0f, shown %.0f", sum, want)
	}
	// E max(0, X) = μΦ(μ/σ) + σφ(μ/σ).
	exact := 5e6*0.5*math.Erfc(-0.5/math.Sqrt2) + 1e7*math.Exp(-0.125)/math.Sqrt(2*math.Pi)
	near(t, "mean", want, exact, 1e-3)
	if text := p.Meaning(); !strings.Contains(text, "on average") {
		t.Error(text)
	}
}

func TestReorders(t *testing.T) {
	for text, want := range map[string]bool{
		"delay 20ms": false, "delay 20ms jitter 5ms": false, "delay 20ms jitter 5ms each": false, "delay 20ms jitter 5ms reordering": true, "reorder 5": false,
	} {
		prog := compile(t, text, 0, 1)
		if prog.Reorders() != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
}

func TestDelayRoundTrip(t *testing.T) {
	roundTrips(t, "delay", map[string]string{
		"0": "0s", "20ms": "20ms", "2": "20ms", "24h": "24h0m0s",
		"20ms jitter 5ms":                            "20ms jitter 5ms",
		"20ms jitter 5ms uniform":                    "20ms jitter 5ms",
		"20ms jitter 5ms every 50ms":                 "20ms jitter 5ms",
		"20ms jitter 5ms every 5":                    "20ms jitter 5ms",
		"20ms jitter 5ms every 60ms":                 "20ms jitter 5ms every 60ms",
		"20ms jitter 5ms each":                       "20ms jitter 5ms each",
		"20ms jitter 5ms each reordering":            "20ms jitter 5ms reordering",
		"20ms jitter 5ms reordering":                 "20ms jitter 5ms reordering",
		"20ms jitter 5ms reordering normal":          "20ms jitter 5ms normal reordering",
		"20ms jitter 5ms every 50ms reordering":      "20ms jitter 5ms every 50ms reordering",
		"20ms jitter 5ms correlation 25%":            "20ms jitter 5ms correlation 25",
		"20ms jitter 5ms correlation 25 each pareto": "20ms jitter 5ms pareto correlation 25",
		"20ms jitter 5ms every 50ms correlation 25":  "20ms jitter 5ms every 50ms correlation 25",
		"20ms jitter 50ms paretonormal":              "20ms jitter 50ms paretonormal",
		"0 jitter 5ms normal":                        "0s jitter 5ms normal",
		"20h jitter 20h":                             "20h0m0s jitter 20h0m0s",
		"20h jitter 20h every 24h":                   "20h0m0s jitter 20h0m0s",
	})
}

// roundTrips reads the arguments of a stage, and checks what they are printed as.
func roundTrips(t *testing.T, stage string, texts map[string]string) {
	t.Helper()
	for given, canonical := range texts {
		p, err := Parse(stage + " " + given)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := p.Arguments(); got != canonical {
			t.Errorf("%s %s prints %s, want %s", stage, given, got, canonical)
		}
		if again, err := Parse(p.String()); err != nil || again != p {
			t.Errorf("%s %s: %v reads as %v, %v", stage, given, p, again, err)
		}
	}
}
