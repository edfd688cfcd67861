package cli

import (
	"fmt"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"
	"github.com/seed-39a139a1/insane/policy"
	"github.com/seed-39a139a1/insane/policy/unit"
)

// didLines compare what the policy asks for beside losses with what was done, and say how
// late packets have left.
func didLines(d api.Direction) (lines []string) {
	p, err := policy.Parse(d.Policy)
	if err != nil {
		return nil
	}
	asked, add := p.Asked(), func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if asked.Rate != 0 {
		add("rate asked %v  did %v", asked.Rate, unit.Rate(d.Did.Rate))
	}
	packets := d.Verdicts.Relay
	for _, s := range []struct {
		what string
		want policy.Share
		did  uint64
		of   uint64
	}{
		{"copies", asked.Copied, d.Did.Copied, packets},
		{"damage", asked.Damaged, d.Did.Damaged, packets + d.Did.Copied},
		{"order", asked.Reordered, d.Did.Reordered, packets + d.Did.Copied},
	} {
		if s.want.Of != 0 {
			add("%s asked %s", s.what, shareText(s.want, s.did, s.of))
		}
	}
	if asked.Delay != 0 || asked.Spread != 0 {
		add("delay asked %s", delayText(asked, d.Did.Delay))
	}
	if l := d.Late; l.Packets > 0 {
		add("late by %s for half, %s for 99 %%, %s at most", shortSpan(l.P50), shortSpan(l.P99), shortSpan(l.Worst))
	}
	return lines
}

// shareText compares a share that is asked for with a number of packets.
func shareText(want policy.Share, did, of uint64) string {
	const digits = 4
	text := fmt.Sprintf("%.*g %%", digits, 100*float64(want.Part)/float64(want.Of))
	if of == 0 {
		return text + "  no packets yet"
	}
	return text + fmt.Sprintf("  did %.*g %% of %d", digits, 100*float64(did)/float64(of), of)
}

// delayText compares the delays that are asked for with those that were drawn.
func delayText(asked policy.Asked, did api.Delays) string {
	span := func(mean, spread uint64) string {
		if asked.Spread == 0 {
			return shortSpan(mean)
		}
		return shortSpan(mean) + " ± " + shortSpan(spread)
	}
	text := span(uint64(asked.Delay), uint64(asked.Spread))
	if did.Packets == 0 {
		return text + "  no packets yet"
	}
	return text + "  did " + span(did.Mean, did.Spread)
}

// shortSpan returns a time with three or four digits.
func shortSpan(nanoseconds uint64) string {
	span := time.Duration(nanoseconds)
	step := time.Duration(1)
	for span/step >= 10_000 {
		step *= 10
	}
	return span.Round(step).String()
}
