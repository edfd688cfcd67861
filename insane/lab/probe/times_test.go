package probe

import (
	"math"
	"testing"
	"time"
)

const millisecond = time.Millisecond

func TestQuantile(t *testing.T) {
	values := []time.Duration{5, 1, 4, 2, 3}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 3, 0.74: 3, 0.75: 4, 1: 5} {
		if got := Quantile(values, q); got != want {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
	if values[0] != 5 || Quantile(nil, 0.5) != 0 {
		t.Error("the values were sorted, or those of nothing are something")
	}
}

func TestTimesOfPackets(t *testing.T) {
	r := &Result{
		SentAt:     []time.Duration{2, never, 10, 40, 41},
		ReceivedAt: []time.Duration{7, never, never, 41, 50},
	}
	took := r.Took()
	if len(took) != 3 || took[0] != 5 || took[1] != 1 || took[2] != 9 {
		t.Errorf("took %d", took)
	}
	if got := r.LongestPause(); got != 30 {
		t.Errorf("longest pause %d, want 30", got)
	}
}

// A rate is exact if arrivals are regular. What comes before, what is lost, and a pause that
// delays some arrivals do not move it.
func TestArrivalRate(t *testing.T) {
	r := &Result{}
	for i := range 500 {
		at := time.Duration(i) * 4 * millisecond
		switch {
		case i < 50:
			at = time.Duration(i)
		case i >= 100 && i < 120:
			at = 120 * 4 * millisecond // the receiver had no processor for so long
		}
		r.ReceivedAt = append(r.ReceivedAt, at, never)
	}
	if got := r.ArrivalRate(200*millisecond, time.Second); math.Abs(got-250) > 1e-6 {
		t.Errorf("%f packets a second, want 250", got)
	}
	for _, span := range []time.Duration{1797 * millisecond, 10 * time.Second} {
		if got := r.ArrivalRate(200*millisecond, span); got != 0 {
			t.Errorf("%f packets a second over %v, want 0: it took less", got, span)
		}
	}
	if got := (&Result{}).ArrivalRate(0, time.Second); got != 0 {
		t.Errorf("%f of nothing", got)
	}
}
