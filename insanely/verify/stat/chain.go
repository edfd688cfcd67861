package stat

import "math"

// Chain is a chain of states with one step a packet, and the chance that a packet is lost in
// each state.
type Chain struct {
	Step [][]float64 // Step[a][b] is the chance that b follows a; rows add up to 1
	Lost []float64
}

// Law is what follows of a chain.
type Law struct {
	Share float64 // of packets that are lost
	Run   float64 // losses in a row, on average

	// Weight says how many packets in the stationary chain say as much of the share as one
	// independent packet: the variance of the share is that of independent packets times this.
	Weight float64
}

// Two returns the chain of a good and a bad state, in which shares of the packets are lost.
func Two(enter, leave, inGood, inBad float64) Chain {
	return Chain{
		Step: [][]float64{{1 - enter, enter}, {leave, 1 - leave}},
		Lost: []float64{inGood, inBad},
	}
}

// Law computes what follows of the chain. The chain must not be two chains in one.
func (c Chain) Law() Law {
	pi := c.stationary()
	var share, both float64
	for a, p := range pi {
		share += p * c.Lost[a]
		for b, q := range c.Step[a] {
			both += p * c.Lost[a] * q * c.Lost[b]
		}
	}
	law := Law{Share: share, Weight: 1}
	if share <= 0 || share >= 1 {
		return law
	}
	law.Run = share / (share - both)
	law.Weight = c.weight(pi, share)
	return law
}

// stationary returns how often each state is. The mean of two steps also serves chains that go
// to and fro.
func (c Chain) stationary() []float64 {
	pi := make([]float64, len(c.Lost))
	pi[0] = 1
	for range 200_000 {
		next := c.after(pi)
		change := 0.0
		for i := range next {
			next[i] = (next[i] + pi[i]) / 2
			change += math.Abs(next[i] - pi[i])
		}
		pi = next
		if change < 1e-15 {
			break
		}
	}
	return pi
}

// after returns the distribution of the states one packet later.
func (c Chain) after(pi []float64) []float64 {
	next := make([]float64, len(pi))
	for a, p := range pi {
		for b, q := range c.Step[a] {
			next[b] += p * q
		}
	}
	return next
}

// weight is 1 + 2 times the sum of the correlations of a loss with later ones.
func (c Chain) weight(pi []float64, share float64) float64 {
	// The measure of the states behind a loss, less the stationary one.
	behind := make([]float64, len(pi))
	for a, p := range pi {
		behind[a] = p * c.Lost[a] / share
	}
	sum := 0.0
	for range 200_000 {
		behind = c.after(behind)
		away, size := 0.0, 0.0
		for a := range pi {
			away += (behind[a] - pi[a]) * c.Lost[a]
			size += math.Abs(behind[a] - pi[a])
		}
		sum += away
		if size < 1e-12 {
			break
		}
	}
	return max(1e-3, 1+2*share*sum/(share*(1-share)))
}

// Width returns how far the share of n packets may be off.
func (l Law) Width(n uint64) float64 {
	if n == 0 {
		return 1
	}
	bursts := float64(n) * l.Share / max(1, l.Run)
	return widened(bursts) * math.Sqrt(l.Share*(1-l.Share)*max(1, l.Weight)/float64(n))
}

// Need returns how many packets it takes to tell the share from one that is off by error.
func (l Law) Need(error float64) uint64 {
	n := float64(Need(l.Share, error)) * max(1, l.Weight)
	if l.Weight > 1.001 {
		n = max(n, Fewest*max(1, l.Run)/l.Share)
	}
	return uint64(math.Ceil(n))
}

// widened is the quantile for a sum of so many skewed numbers, each about as skewed as an
// exponential one (the first term of Cornish and Fisher).
func widened(n float64) float64 { return Z + 3/math.Sqrt(max(1, n))*(Z*Z-1)/6 }
