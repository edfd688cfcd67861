package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// The incomplete beta function of whole numbers is a tail of the binomial distribution.
func TestBeta(t *testing.T) {
	for _, c := range []struct {
		k, n int
		p    float64
	}{{1, 10, 0.3}, {7, 10, 0.3}, {50, 100, 0.5}, {3, 400, 0.01}, {399, 400, 0.99}} {
		sum := 0.0
		for i := c.k; i <= c.n; i++ {
			sum += math.Exp(choose(float64(c.n), float64(i)) + float64(i)*math.Log(c.p) + float64(c.n-i)*math.Log(1-c.p))
		}
		near(t, "the tail", beta(c.p, float64(c.k), float64(c.n-c.k+1)), sum, 1e-11)
	}
	near(t, "the middle of many", beta(0.5, 5e6, 5e6), 0.5, 1e-6)
}

// Intervals are those of the binomial distribution: at their ends, what was seen has the chance
// of half of Alpha.
func TestInterval(t *testing.T) {
	low, high := Interval(0, 1000)
	near(t, "low of nothing", low, 0, 0)
	near(t, "high of nothing", high, 1-math.Pow(Alpha/2, 1.0/1000), 1e-12)
	low, high = Interval(1000, 1000)
	near(t, "low of all", low, math.Pow(Alpha/2, 1.0/1000), 1e-12)
	near(t, "high of all", high, 1, 0)
	// The normal distribution is close for many.
	low, high = Interval(50_000, 1_000_000)
	half := Z * math.Sqrt(0.05*0.95/1e6)
	near(t, "low of many", low, 0.05-half, 1e-5)
	near(t, "high of many", high, 0.05+half, 1e-5)
	if Fits(0, 1_000_000, 1e-4) || !Fits(0, 100, 1e-4) || Fits(1, 100, 0) || Fits(99, 100, 1) {
		t.Error("a share that cannot be fits, or one that can does not")
	}
}

// Need agrees with a table that was computed otherwise, where the smaller share is in
// error by a part of itself.
func TestNeed(t *testing.T) {
	for _, c := range []struct{ p, part, want float64 }{{0.5, 0.01, 0.56e6}, {0.1, 0.02, 1.27e6}, {0.01, 0.05, 2.23e6}} {
		near(t, "the packets needed", float64(Need(c.p, c.p*c.part))/c.want, 1, 0.05)
	}
	near(t, "packets to find 2 % lost", float64(Need(0, 0.02)), 346, 1)
}

// The exact distribution of runs, for all orders of 4 hits among 10.
func TestRunsExact(t *testing.T) {
	var count [5]float64
	all := 0.0
	for bits := range 1 << 10 {
		var events []bool
		hits := 0
		for i := range 10 {
			on := bits>>i&1 != 0
			if events = append(events, on); on {
				hits++
			}
		}
		if hits == 4 {
			count[CountRuns(events)]++
			all++
		}
	}
	mean, square := 0.0, 0.0
	for r, n := range count {
		mean += float64(r) * n / all
		square += float64(r*r) * n / all
		if r > 0 {
			near(t, "a chance", math.Exp(choose(7, float64(r))+choose(3, float64(4-r))-choose(10, 4)), n/all, 1e-12)
		}
	}
	r := TestRuns(3, 4, 10)
	near(t, "the mean", r.Expected, mean, 1e-12)
	near(t, "the spread", r.Spread, math.Sqrt(square-mean*mean), 1e-12)
	if !r.Fits || TestRuns(1, 400, 10_000).Fits || TestRuns(400, 400, 1600).Fits {
		t.Error("runs that can be do not fit, or some that cannot do")
	}
}

// Laws of chains agree with closed forms.
func TestLaw(t *testing.T) {
	const p, r, bad, good = 0.01, 0.1, 0.5, 0.001
	share := (r*good + p*bad) / (p + r)
	both := r/(p+r)*good*((1-p)*good+p*bad) + p/(p+r)*bad*(r*good+(1-r)*bad)
	correlation := r / (p + r) * p / (p + r) * (bad - good) * (bad - good) / (share * (1 - share)) // of the same packet
	lambda := 1 - p - r
	law := Two(p, r, good, bad).Law()
	near(t, "the share", law.Share, share, 1e-12)
	near(t, "the mean run", law.Run, share/(share-both), 1e-9)
	near(t, "the weight", law.Weight, 1+2*correlation*lambda/(1-lambda), 1e-6)
	alone := Chain{Step: [][]float64{{1}}, Lost: []float64{0.05}}.Law()
	near(t, "the run of independent losses", alone.Run, 1/0.95, 1e-12)
	near(t, "their weight", alone.Weight, 1, 1e-12)
	turns := Two(1, 1, 0, 1).Law()
	near(t, "the share of every other packet", turns.Share, 0.5, 1e-9)
	near(t, "its run", turns.Run, 1, 1e-9)
}

// Distances of a sample from its own distribution are allowed, and from another one are not.
func TestDistance(t *testing.T) {
	near(t, "the distance of 100,000", Distance(1e5), 0.0078, 0.0001)
	random := rand.New(rand.NewPCG(1, 2))
	var list []float64
	for range 10_000 {
		list = append(list, random.Float64())
	}
	s := Sorted(list)
	uniform := func(stretch float64) func(float64) float64 {
		return func(x float64) float64 { return min(1, max(0, x*stretch)) }
	}
	if d := s.Beyond(uniform(1), 0); d > Distance(10_000) {
		t.Errorf("its own distribution is %v away", d)
	}
	if d := s.Beyond(uniform(1.06), 0); d < Distance(10_000) {
		t.Errorf("another distribution is %v away only", d)
	}
	mean, spread := s.Moments()
	near(t, "the mean", mean, 0.5, 0.02)
	near(t, "the spread", spread, 1/math.Sqrt(12), 0.01)
	near(t, "the median", s.Quantile(0.5), 0.5, 0.03)
}
