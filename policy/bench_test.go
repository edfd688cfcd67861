package policy

import (
	"strings"
	"testing"
)

var (
	sinkVerdict Stage
	sinkDelay   Time
	sinkPlaces  []uint64
	sinkPolicy  Policy
)

var benchTexts = []string{"pass", "percent 80", "time 500ms 1s", "every 5", "percent 80 time 500ms 1s",
	"delay 20ms", "delay 20ms jitter 5ms", "delay 20ms jitter 5ms each", "delay 20ms jitter 5ms normal each", "delay 20ms jitter 5ms pareto correlation 90",
	"percent 99 run 5", "percent 99 run 100", "gemodel 1 10 50", "state 1 10 20 30 0.2", "exactly 3 of 10", "exactly 3 of 997", "drop 1,5-7",
	"duplicate 1", "corrupt 1", "reorder 1", "rate 10mbit", "percent 80 ecn", "percent 99 duplicate 1 corrupt 1 rate 1gbit delay 20ms jitter 5ms normal reorder 1"}

func BenchmarkDecide(b *testing.B) {
	for _, text := range benchTexts {
		p, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(strings.ReplaceAll(text, " ", "_"), func(b *testing.B) {
			b.ReportAllocs()
			prog, seq, sum := p.Compile(0, 1), uint64(0), Stage(0)
			for b.Loop() {
				sum += prog.Decide(Time(seq*83), seq).By
				seq++
			}
			sinkVerdict = sum
		})
	}
}

// With a memo, packet after packet.
func BenchmarkDecideWithMemo(b *testing.B) {
	for _, text := range []string{"percent 99 run 5", "percent 99 run 100", "gemodel 1 10 50", "state 1 10 20 30 0.2"} {
		b.Run(strings.ReplaceAll(text, " ", "_"), func(b *testing.B) {
			b.ReportAllocs()
			prog, seq, sum, memo := compile(b, text, 0, 1), uint64(0), Stage(0), new(Memo)
			for b.Loop() {
				sum += prog.DecideWith(memo, Time(seq*83), seq).By
				seq++
			}
			sinkVerdict = sum
		})
	}
}

// The line asks this for each packet.
func BenchmarkLine(b *testing.B) {
	prog := compile(b, "rate 10mbit overhead 24 cell 48 slot 5ms 15ms corrupt 1 bits 3", 0, 1)
	for name, f := range map[string]func(uint64){
		"LinkTime":   func(n uint64) { sinkDelay, _ = prog.LinkTime(1514, n%1000) },
		"SlotLength": func(n uint64) { sinkDelay = prog.SlotLength(n) },
		"Flip":       func(n uint64) { sinkPlaces = prog.Flip(sinkPlaces[:0], n, 0, 12000) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := uint64(0)
			for b.Loop() {
				f(n)
				n++
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, text := range benchTexts {
		b.Run(strings.ReplaceAll(text, " ", "_"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sinkPolicy, _ = Parse(text)
			}
		})
	}
}
