package policy

import "testing"

var (
	sinkVerdict Verdict
	sinkPolicy  Policy
)

var benchTexts = []string{"pass", "percent 80", "time 500ms 1s", "every 5", "percent 80 time 500ms 1s"}

func BenchmarkDecide(b *testing.B) {
	for _, text := range benchTexts {
		p, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("mode="+p.Mode(), func(b *testing.B) {
			b.ReportAllocs()
			prog, seq, sum := p.Compile(0, 1), uint64(0), Verdict(0)
			for b.Loop() {
				sum += prog.Decide(Time(seq*83), seq)
				seq++
			}
			sinkVerdict = sum
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, text := range benchTexts {
		p, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("mode="+p.Mode(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sinkPolicy, _ = Parse(text)
			}
		})
	}
}
