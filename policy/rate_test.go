package policy

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// The time on the link, for any program and packet, against integers that cannot overflow.
func TestLinkTimeAgainstBigIntegers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	saturated := 0
	for range 200_000 {
		prog := Program{
			RateBits: 1 + rng.Uint64N(1_000_000_000_000_000)>>rng.UintN(50), RateOverhead: uint64(rng.Int64N(2*maxFraming) - maxFraming),
			RateCell: rng.Uint64N(3) * rng.Uint64N(100), RateHeader: rng.Uint64N(10),
		}
		bytes, rest := rng.Uint64()>>(14+rng.UintN(50)), rng.Uint64N(prog.RateBits)
		size := new(big.Int).SetUint64(bytes)
		size.Add(size, big.NewInt(int64(prog.RateOverhead)))
		if size.Sign() < 0 {
			size.SetUint64(0)
		}
		if prog.RateCell != 0 {
			cell := new(big.Int).SetUint64(prog.RateCell)
			size.Add(size, cell).Sub(size, big.NewInt(1)).Div(size, cell)
			size.Mul(size, new(big.Int).SetUint64(prog.RateCell+prog.RateHeader))
		}
		size.Mul(size, big.NewInt(8_000_000_000)).Add(size, new(big.Int).SetUint64(rest))
		want, left := new(big.Int).DivMod(size, new(big.Int).SetUint64(prog.RateBits), new(big.Int))
		got, gotLeft := prog.LinkTime(bytes, rest)
		if !want.IsUint64() {
			saturated++
			want.SetUint64(math.MaxUint64)
			left.SetUint64(0)
		}
		if uint64(got) != want.Uint64() || gotLeft != left.Uint64() {
			t.Fatalf("%+v: %d bytes, rest %d: %d and %d, want %v and %v", prog, bytes, rest, got, gotLeft, want, left)
		}
	}
	if saturated == 0 {
		t.Error("no time was too long")
	}
}

// However many packets follow each other, the sum of their times is exact to the
// nanosecond.
func TestLinkTimesAddUp(t *testing.T) {
	for _, c := range []struct {
		text  string
		bytes uint64
		want  Time // of a million packets
	}{
		{"rate 10mbit", 1514, 1_211_200_000_000},
		{"rate 1gbit", 60, 480_000_000},
		{"rate 3gbit", 1514, 4_037_333_333},
		{"rate 7bit", 1, 1_142_857_142_857_142},
		{"rate 1000tbit", 60, 480},
		{"rate 1mbit overhead 24", 60, 672_000_000_000},
		{"rate 1mbit overhead -14B", 60, 368_000_000_000},
		{"rate 1mbit overhead -100B", 60, 0},
		{"rate 1mbit cell 48", 60, 768_000_000_000},
		{"rate 1mbit overhead 10 cell 48 overhead 5", 1514, 13_568_000_000_000},
	} {
		prog, sum, rest := compile(t, c.text, 0, 1), Time(0), uint64(0)
		for range 1_000_000 {
			var d Time
			d, rest = prog.LinkTime(c.bytes, rest)
			sum += d
		}
		if sum != c.want {
			t.Errorf("%s: %d ns, want %d", c.text, sum, c.want)
		}
	}
	if d, rest := (&Program{}).LinkTime(1514, 77); d != 0 || rest != 0 {
		t.Errorf("without a rate: %d, %d", d, rest)
	}
}

func TestRateRoundTrip(t *testing.T) {
	roundTrips(t, "rate", map[string]string{
		"10mbit": "10mbit", "0.5Gbit": "500mbit", "1bit": "1bit",
		"10mbit overhead 24":                          "10mbit overhead 24B",
		"10mbit overhead -14B":                        "10mbit overhead -14B",
		"10mbit cell 48":                              "10mbit cell 48B",
		"10mbit cell 48B overhead 5":                  "10mbit cell 48B overhead 5B",
		"10mbit cell 48B overhead 5 overhead 10":      "10mbit overhead 10B cell 48B overhead 5B",
		"10mbit overhead 10 cell 0.048kB overhead 5B": "10mbit overhead 10B cell 48B overhead 5B",
		"1000tbit overhead 64kB":                      "1000tbit overhead 64kB",
	})
}

// A link has a queue of 100 ms unless another one is given, and nothing else has one.
func TestQueueOfLink(t *testing.T) {
	for text, want := range map[string]Program{
		"delay 1s":                           {},
		"rate 1mbit":                         {QueueTime: 100_000_000},
		"rate 1mbit queue 50ms":              {QueueTime: 50_000_000},
		"queue 5 rate 1mbit":                 {QueuePackets: 5},
		"rate 1mbit queue 64kB mark 5ms":     {QueueBytes: 64_000, QueueMark: 5_000_000},
		"rate 1mbit queue 1h mark 59m59.9s":  {QueueTime: 3600_000_000_000, QueueMark: 3599_900_000_000},
		"rate 1mbit queue 1000000 mark 24h":  {QueuePackets: 1_000_000, QueueMark: 86400_000_000_000},
		"rate 1mbit queue 24h duplicate 100": {QueueTime: 86400_000_000_000},
	} {
		p := compile(t, text, 0, 1)
		if got := (Program{QueuePackets: p.QueuePackets, QueueBytes: p.QueueBytes, QueueTime: p.QueueTime, QueueMark: p.QueueMark}); got != want {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// roundTrips puts the stage first; the queue comes behind the rate.
func TestQueueRoundTrip(t *testing.T) {
	roundTrips(t, "rate 1mbit queue", map[string]string{
		"5": "1mbit 5", "007": "1mbit 7", "5B": "1mbit 5B", "1.5MB": "1mbit 1.5MB", "50ms": "1mbit 50ms", "0.5s mark 5": "1mbit 500ms mark 50ms",
		"18446744073709551615 mark 1ns": "1mbit 18446744073709551615 mark 1ns",
	})
}

// Slots have the length of their number, uniform over the range with both ends.
func TestSlotLength(t *testing.T) {
	constant := compile(t, "slot 5ms", 0, 1)
	open := compile(t, "delay 1s", 0, 1)
	var thirds [3]int
	tiny := compile(t, "slot 0 3ns", 0, 2) // 0 is 1 ns, so that time goes on
	for k := range uint64(many(300_000)) {
		if constant.SlotLength(k) != 5_000_000 || open.SlotLength(k) != 0 {
			t.Fatalf("slot %d: %d, %d", k, constant.SlotLength(k), open.SlotLength(k))
		}
		thirds[tiny.SlotLength(k)-1]++
	}
	accept(t, uniformP(thirds[:]), "slots of 1 to 3 ns: %v", thirds)
	for _, seed := range []uint64{0, 1, 2000} {
		prog, samples := compile(t, "slot 5ms 15ms", 0, seed), make([]float64, many(1_000_000))
		for k := range samples {
			samples[k] = float64(prog.SlotLength(uint64(k)))/1e6 - 5
		}
		nearDistribution(t, samples, func(p, _ float64) float64 { return 10 * p }, "slots of 5 to 15 ms")
	}
	if a, b := compile(t, "slot 5ms 15ms", 0, 1), compile(t, "slot 5ms 15ms", 0, 2); a.SlotLength(0) == b.SlotLength(0) {
		t.Error("another seed makes no difference")
	}
}

func TestSlotRoundTrip(t *testing.T) {
	roundTrips(t, "slot", map[string]string{
		"5ms": "5ms", "5ms 5ms": "5ms", "5ms 15ms": "5ms 15ms", "0 5": "0s 50ms", "24h": "24h0m0s",
		"5ms packets 20":              "5ms packets 20",
		"5ms 15ms bytes 64kB":         "5ms 15ms bytes 64kB",
		"5ms bytes 1500 packets 020":  "5ms packets 20 bytes 1.5kB",
		"5ms 6ms packets 20 bytes 7B": "5ms 6ms packets 20 bytes 7B",
	})
}
