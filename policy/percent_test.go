package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// compile is the program of a text that must be good.
func compile(t testing.TB, text string, epoch Time, seed uint64) Program {
	t.Helper()
	p, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p.Compile(epoch, seed)
}

// At the edges there is nothing random: 10⁸ packets, and not one exception.
func TestPercentEdgesAreExact(t *testing.T) {
	n := many(100_000_000)
	for text, want := range map[string]Stage{"percent 0": ByPercent, "percent 100": Relay} {
		prog := compile(t, text, 0, 1)
		for seq := range uint64(n) {
			if got := prog.Decide(0, seq).By; got != want {
				t.Fatalf("%s: packet %d: %v", text, seq, got)
			}
		}
	}
}

// Losses are counted against the exact binomial distribution, for the rate
// that was asked for and not the one it was compiled to.
func TestPercentRate(t *testing.T) {
	for _, c := range []struct {
		percent string // relayed
		loss    float64
		n       int
	}{
		{"50", 0.5, 1_000_000},
		{"90", 0.1, 1_000_000}, {"10", 0.9, 1_000_000},
		{"99", 0.01, 1_000_000}, {"1", 0.99, 1_000_000},
		{"99.9", 0.001, 10_000_000}, {"0.1", 0.999, 10_000_000},
		{"99.99", 0.0001, 10_000_000}, {"0.01", 0.9999, 10_000_000},
		{"33.333", 0.66667, 1_000_000}, {"66.667", 0.33333, 1_000_000},
		{"99.999999", 1e-8, 10_000_000}, {"0.000001", 1 - 1e-8, 10_000_000},
	} {
		t.Run(c.percent, func(t *testing.T) {
			n := many(c.n)
			for seed := range uint64(2) {
				prog, drops := compile(t, "percent "+c.percent, 0, seed), 0
				for seq := range uint64(n) {
					drops += int(prog.Decide(0, seq).By / ByPercent)
				}
				accept(t, binomialP(drops, n, c.loss), "%d of %d dropped, seed %d", drops, n, seed)
			}
		})
	}
}

// Whoever is relayed at N per cent is relayed at more, with the same seed. So
// turning the knob tells the effect of the rate from that of the luck.
func TestPercentHigherRelaysSuperset(t *testing.T) {
	const n = 20_000
	lower := make(verdicts, n) // what no percentage so far has relayed
	for i := range lower {
		lower[i] = uint8(ByPercent)
	}
	relayed := 0
	for percent := 0.0; percent <= 100; percent += 0.5 {
		v := decide(compile(t, fmt.Sprintf("percent %.1f", percent), 0, 3), 0, n)
		for i := range v {
			if v[i] > lower[i] {
				t.Fatalf("percent %.1f drops packet %d, which less relays", percent, i)
			}
		}
		if n-v.drops() < relayed {
			t.Fatalf("percent %.1f relays fewer", percent)
		}
		relayed, lower = n-v.drops(), v
	}
	if relayed != n {
		t.Errorf("percent 100 relays %d of %d", relayed, n)
	}
}

// Every percentage that can be written has its own chance of loss, the smaller
// the more is relayed, and only 0 and 100 are certain. Both ends are swept
// step by step, the middle in strides.
func TestPercentCompilesMonotonically(t *testing.T) {
	const hundred = unit.Hundred
	for _, c := range []struct{ from, to, step unit.Percent }{
		{0, 100_000, 1}, {hundred - 100_000, hundred, 1}, {hundred % 997, hundred, 997},
	} {
		last := uint64(Always) + 1
		for relay := c.from; relay <= c.to; relay += c.step {
			var prog Program
			(&percent{set: true, relay: relay}).compile(&prog, 0, 0)
			drop := prog.PercentDrop
			if drop >= last {
				t.Fatalf("%d millionths: chance %d, and less relays with %d", relay, drop, last)
			}
			if (drop == 0) != (relay == hundred) || (drop == uint64(Always)) != (relay == 0) {
				t.Fatalf("%d millionths: chance %d", relay, drop)
			}
			last = drop
		}
	}
}

func TestPercentRoundTrip(t *testing.T) {
	for given, canonical := range map[string]string{
		"0": "0", "100": "100", "80": "80", "80%": "80", "0%": "0", "100%": "100",
		"100.000000": "100", "00080": "80", "0.0": "0", "50.50": "50.5",
		".5": "0.5", ".5%": "0.5", "99.99": "99.99", "33.333": "33.333",
		"0.000001": "0.000001", "99.999999": "99.999999", "12.345678%": "12.345678",
		"10": "10", "1": "1", "1.1": "1.1", "20.02": "20.02",
		strings.Repeat("0", 300) + "7": "7",
	} {
		p, err := Parse("percent " + given)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := p.Arguments(); got != canonical {
			t.Errorf("percent %s prints %s, want %s", given, got, canonical)
		}
		if again, err := Parse(p.String()); err != nil || again != p {
			t.Errorf("percent %s: %v reads as %v, %v", given, p, again, err)
		}
	}
}
