package probe

import (
	"slices"
	"time"
)

// Took returns how long each packet that arrived was on the way, by number: from the moment
// before it was sent until the receiver's kernel got it.
func (r *Result) Took() []time.Duration {
	var took []time.Duration
	for i, at := range r.SentAt {
		if at >= 0 && r.Arrived(i) {
			took = append(took, r.ReceivedAt[i]-at)
		}
	}
	return took
}

// Quantile returns the value that the share q, 0 to 1, of all values does not exceed; 0 if there
// are no values. It does not change their order.
func Quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1))]
}

// ArrivalRate returns how many packets arrived per second. It compares each arrival that is
// not before from with one that is span later, and returns the median: what a busy machine
// delivers late does not move it as long as it is little. It is 0 if nothing arrived for so
// long.
func (r *Result) ArrivalRate(from, span time.Duration) float64 {
	var at []time.Duration
	for _, t := range r.ReceivedAt {
		if t >= max(from, 0) {
			at = append(at, t)
		}
	}
	slices.Sort(at)
	later := slices.IndexFunc(at, func(t time.Duration) bool { return t-at[0] >= span })
	if later <= 0 {
		return 0
	}
	var spans []time.Duration
	for i := range at[later:] {
		spans = append(spans, at[i+later]-at[i])
	}
	return float64(later) / Quantile(spans, 0.5).Seconds()
}

// LongestPause returns the longest time between two packets that were sent one after the
// other, and before the first.
func (r *Result) LongestPause() time.Duration {
	var longest, before time.Duration
	for _, at := range r.SentAt {
		if at < 0 {
			continue
		}
		longest, before = max(longest, at-before), at
	}
	return longest
}
