package frame_test

import (
	"bytes"
	"testing"

	"github.com/seed-39a139a1/insane/insane/frame"
)

func BenchmarkInspect(b *testing.B) {
	for _, bench := range []struct {
		name  string
		frame frame.Frame
	}{
		{"plain", plain(typeIPv4, 1500)},
		{"tcp4", supers()["tcp4"].build()},
		{"tcp6", supers()["tcp6"].build()},
		{"tcp6ext", supers()["tcp6 chain"].build()},
		{"udp4", supers()["udp4"].build()},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := frame.Inspect(bench.frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkInsertTag(b *testing.B) {
	f := super{family: 4, protocol: tcp, payload: 64000, gso: 1448, tags: []uint16{typeTag}}.build()
	buf := untagged(f)
	head := bytes.Clone(buf[:64])
	b.ReportAllocs()
	for b.Loop() {
		copy(buf, head) // the call before moved them
		frame.InsertTag(buf, typeTag, 100)
	}
}

func BenchmarkMakePartial(b *testing.B) {
	for _, bench := range []struct {
		name  string
		frame frame.Frame
	}{
		{"plain", plain(typeIPv4, 1500)},
		{"partial", supers()["tcp4"].build()},
		{"tcp4", verified(b, supers()["tcp4"].build())},
		{"tcp6", verified(b, supers()["tcp6"].build())},
		{"tcp6ext", verified(b, supers()["tcp6 chain"].build())},
		{"udp4", verified(b, supers()["udp4"].build())},
	} {
		b.Run(bench.name, func(b *testing.B) {
			head, work := bench.frame[:256].Clone(), bench.frame.Clone()
			b.ReportAllocs()
			for b.Loop() {
				copy(work, head) // the call before made it partial
				frame.MakePartial(work)
			}
		})
	}
}

// BenchmarkSplit counts bytes of frames before the split.
func BenchmarkSplit(b *testing.B) {
	for _, bench := range []struct{ name, super, pattern string }{
		{"lost=0of45", "tcp4", "all"},
		{"lost=1of45", "tcp4", "middle lost"},
		{"lost=22of45", "tcp4", "even"},
		{"lost=44of45", "tcp4", "last only"},
		{"tcp6/lost=22of45", "tcp6", "even"},
		{"udp4/lost=20of41", "udp4", "even"},
		{"gso=8/lost=21of42", "tcp4 gso 8", "even"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			f, l, relay := inspected(b, supers()[bench.super], bench.pattern)
			head := f[:len(f)-supers()[bench.super].payload].Clone()
			out := make([]frame.Frame, 0, l.Packets())
			var s frame.Splitter
			b.SetBytes(int64(len(f)))
			b.ReportAllocs()
			for b.Loop() {
				copy(f, head) // the split before overwrote them
				out = s.Split(f, l, relay, out[:0])
				s.Reset()
			}
		})
	}
}
