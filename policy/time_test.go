package policy

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// edge checks the verdict of the last and first nanosecond around a moment.
func edge(t *testing.T, prog *Program, at uint64, before, after Stage) {
	t.Helper()
	if got := prog.Decide(Time(at-1), 0).By; got != before {
		t.Fatalf("1 ns before %d: %v, want %v", at, got, before)
	}
	if got := prog.Decide(Time(at), 0).By; got != after {
		t.Fatalf("at %d: %v, want %v", at, got, after)
	}
}

// A million cycles, and each edge is where arithmetic on the epoch puts it, to
// the nanosecond: drift is exactly zero.
func TestTimeEdgesNeverDrift(t *testing.T) {
	cycles := many(1_000_000)
	for _, c := range []struct{ on, off time.Duration }{
		{time.Millisecond, time.Millisecond},
		{10 * time.Millisecond, 10 * time.Millisecond},
		{100 * time.Millisecond, 900 * time.Millisecond},
		{time.Second, time.Second},
		{1, 1},
		{333_333_333, 1_000_000_007},
		{time.Hour, 1},
		{1, time.Hour},
	} {
		text := "time " + c.on.String() + " " + c.off.String()
		t.Run(text, func(t *testing.T) {
			const epoch = 987_654_321_987
			prog := compile(t, text, epoch, 0)
			start := uint64(epoch)
			edge(t, &prog, start, Relay, Relay) // before the epoch is phase 0
			for range cycles {
				edge(t, &prog, start+uint64(c.on), Relay, ByTime)
				start += uint64(c.on + c.off)
				edge(t, &prog, start, ByTime, Relay)
			}
		})
	}
}

// The duty cycle of 10⁶ cycles, counted at each of the cycle's nanoseconds.
func TestTimeDutyCycleIsExact(t *testing.T) {
	prog, relayed, cycles := compile(t, "time 3ns 7ns", 12345, 0), 0, many(1_000_000)
	for now := range Time(10 * cycles) {
		if prog.Decide(12345+now, 0).By == Relay {
			relayed++
		}
	}
	if relayed != 3*cycles {
		t.Errorf("relayed %d ns of %d, want %d", relayed, 10*cycles, 3*cycles)
	}
}

func TestTimeOneSided(t *testing.T) {
	for text, want := range map[string]Stage{
		"time 0 5ms": ByTime, "time 0 1": ByTime, "time 0s 1ns": ByTime, "time 0 1000000h": ByTime,
		"time 5ms 0": Relay, "time 1 0": Relay, "time 1ns 0s": Relay, "time 1000000h 0": Relay,
	} {
		prog := compile(t, text, 1000, 0)
		for now := range Time(20_000) {
			if got := prog.Decide(now, uint64(now)).By; got != want {
				t.Fatalf("%s: at %d: %v", text, now, got)
			}
		}
		for _, now := range []Time{math.MaxInt64, math.MaxUint64 - 1, math.MaxUint64} {
			if got := prog.Decide(now, 0).By; got != want {
				t.Errorf("%s: at %d: %v", text, now, got)
			}
		}
	}
}

// Before the epoch it is the epoch, however long before and however late the
// epoch: nothing wraps around into another phase.
func TestTimeBeforeEpochIsPhaseZero(t *testing.T) {
	for _, epoch := range []Time{0, 1, 1000, math.MaxInt64, math.MaxUint64 - 1, math.MaxUint64} {
		prog := compile(t, "time 1ns 3ns", epoch, 0)
		for _, now := range []Time{0, epoch / 2, epoch - min(epoch, 3), epoch - min(epoch, 1), epoch} {
			if got := prog.Decide(now, 0).By; got != Relay {
				t.Errorf("epoch %d, at %d: %v", epoch, now, got)
			}
		}
	}
}

// The whole range of 64 bits against arithmetic that cannot overflow.
func TestTimePhaseAgainstBigIntegers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	wide := func() uint64 { return rng.Uint64() >> rng.UintN(64) }
	span := func() unit.Span { return unit.Span(wide() % uint64(unit.MaxSpan+1)) }
	for range 200_000 {
		s, epoch, now := onOff{span(), span()}, wide(), wide()
		if !s.given() {
			continue
		}
		var prog Program
		s.compile(&prog, Time(epoch), 0)
		phase := new(big.Int).SetUint64(now)
		phase.Sub(phase, new(big.Int).SetUint64(epoch))
		cycle := new(big.Int).Add(big.NewInt(int64(s.on)), big.NewInt(int64(s.off)))
		want := Relay
		if phase.Sign() < 0 {
			phase.SetUint64(0)
		}
		if phase.Mod(phase, cycle).Cmp(big.NewInt(int64(s.on))) >= 0 {
			want = ByTime
		}
		if got := prog.Decide(Time(now), 0).By; got != want {
			t.Fatalf("%v %v, epoch %d, at %d: %v, want %v", s.on, s.off, epoch, now, got, want)
		}
	}
}

func TestTimeRoundTrip(t *testing.T) {
	for given, canonical := range map[string]string{
		"50 100":            "500ms 1s", // jiffies of 10 ms
		"1 0":               "10ms 0s",
		"0 360000000000":    "0s 1000000h0m0s", // the longest, in jiffies
		"500ms 1s":          "500ms 1s",
		"1.5s .5s":          "1.5s 500ms",
		"1.50s 0.0s":        "1.5s 0s",
		"1h30m 1m30s":       "1h30m0s 1m30s",
		"1h2m3s4ms5us6ns 7": "1h2m3.004005006s 70ms",
		"1us 1µs":           "1µs 1µs",
		"1μs 2ns":           "1µs 2ns", // the other letter mu
		"0.1us 0.000001ms":  "100ns 1ns",
		"0.000000001s 0":    "1ns 0s",
		"0.00000000005m 0":  "3ns 0s", // a unit's factors of 3 do not hinder
		"1000000h 1000000h": "1000000h0m0s 1000000h0m0s",
		"007 010":           "70ms 100ms", // decimal, never octal
		"0.3s 0.7m":         "300ms 42s",
		"0.0000000000125h 0.50000000000000000000000000000s": "45ns 500ms",
	} {
		p, err := Parse("time " + given)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := p.Arguments(); got != canonical {
			t.Errorf("time %s prints %s, want %s", given, got, canonical)
		}
		if again, err := Parse(p.String()); err != nil || again != p {
			t.Errorf("time %s: %v reads as %v, %v", given, p, again, err)
		}
	}
}

// A duration that Duration prints is read back as the same, over its range.
func TestTimeReadsWhatDurationPrints(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 100_000 {
		want := time.Duration((rng.Uint64() >> rng.UintN(64)) % uint64(unit.MaxSpan+1))
		if got, err := unit.ParseSpan(want.String()); err != nil || time.Duration(got) != want {
			t.Fatalf("%v: %v, %v", want, got, err)
		}
	}
}
