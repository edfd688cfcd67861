package unit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// kinds is every type of the package: how it reads a text, and how it prints a value
// that is made of any integer.
var kinds = map[string]struct {
	parse func(string) (fmt.Stringer, error)
	of    func(uint64) fmt.Stringer
}{
	"number":  {reader(ParseNumber), func(n uint64) fmt.Stringer { return Number(n) }},
	"percent": {reader(ParsePercent), func(n uint64) fmt.Stringer { return Percent(n % uint64(Hundred+1)) }},
	"mean":    {reader(ParseMean), func(n uint64) fmt.Stringer { return Mean(n % uint64(MaxMean+1)) }},
	"span":    {reader(ParseSpan), func(n uint64) fmt.Stringer { return Span(n % uint64(MaxSpan+1)) }},
	"rate":    {reader(ParseRate), func(n uint64) fmt.Stringer { return Rate(n % (rates.most + 1)) }},
	"size":    {reader(ParseSize), func(n uint64) fmt.Stringer { return Size(n % (sizes.most + 1)) }},
}

func reader[T fmt.Stringer](parse func(string) (T, error)) func(string) (fmt.Stringer, error) {
	return func(s string) (fmt.Stringer, error) { return parse(s) }
}

// A printed value is read back as the same value, over the whole range.
func TestReadsWhatItPrints(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for name, kind := range kinds {
		for i := range 100_000 {
			n := rng.Uint64() >> rng.UintN(64)
			if i < 4000 {
				n = uint64(i)
			}
			want := kind.of(n)
			if got, err := kind.parse(want.String()); err != nil || got != want {
				t.Fatalf("%s: %v reads as %v, %v", name, want, got, err)
			}
		}
	}
}

func TestGood(t *testing.T) {
	for _, c := range []struct {
		kind, text string
		want       fmt.Stringer
		printed    string
	}{
		{"number", "0", Number(0), "0"},
		{"number", "007", Number(7), "7"},
		{"number", "18446744073709551615", Number(math.MaxUint64), "18446744073709551615"},
		{"percent", "80%", Hundred / 5 * 4, "80"},
		{"percent", ".5", Hundred / 200, "0.5"},
		{"percent", "99.999999", Hundred - 1, "99.999999"},
		{"percent", "100.000000", Hundred, "100"},
		{"span", "50", Span(500 * time.Millisecond), "500ms"},
		{"span", "0.0000000000125h", Span(45), "45ns"},
		{"span", "1000000h", MaxSpan, "1000000h0m0s"},
		{"mean", "5", Mean(5000), "5"},
		{"mean", "1.200", Mean(1200), "1.2"},
		{"mean", ".5", Mean(500), "0.5"},
		{"mean", "1000000000000", MaxMean, "1000000000000"},
		{"rate", "0bit", Rate(0), "0bit"},
		{"rate", "9600bit", Rate(9600), "9.6kbit"},
		{"rate", "10Mbit", Rate(10_000_000), "10mbit"},
		{"rate", "1.500001MBIT", Rate(1_500_001), "1.500001mbit"},
		{"rate", "0.001kbit", Rate(1), "1bit"},
		{"rate", "1000tbit", Rate(1e15), "1000tbit"},
		{"size", "1500B", Size(1500), "1.5kB"},
		{"size", "64kB", Size(64_000), "64kB"},
		{"size", "1.000001MB", Size(1_000_001), "1.000001MB"},
		{"size", "1000000GB", Size(1e15), "1000000GB"},
	} {
		got, err := kinds[c.kind].parse(c.text)
		if err != nil || got != c.want || got.String() != c.printed {
			t.Errorf("%s %s: %v, %v; want %s", c.kind, c.text, got, err, c.printed)
		}
	}
}

// A bad text is refused with words that say what is wanted.
func TestBad(t *testing.T) {
	for kind, bad := range map[string]map[error]string{
		"number": {
			errSign: "-1 +1 -", errNumber: "1.5 x 0x10 1e3 1_000 ５ 80% 1s .", errLarge: "18446744073709551616",
		},
		"percent": {
			errSign: "-1 +0", errPercent: "101 100.000001 x 1s % 1.2.3 . 1.", errDecimals: "0.0000001",
		},
		"mean": {
			errSign: "-1 +1.5", errMean: "x 1.2.3 . 1. 5% 1e3 ５", errThousands: "1.2345 0.0000", errMeanLarge: "1000000000000.001 99999999999999999999",
		},
		"span": {
			errSign: "-1s", errSpan: "x . s", errUnit: "1.5 5sec 1h30", errOrder: "1s1m 1h1h",
			errPrecise: "0.1ns", errTooLong: "1000001h 1000000h1ns 360000000001",
		},
		"rate": {
			errSign: "-1bit", rates.want: "10 10m 1Mb 10mibit mbit x 1e3bit 10mbit/s .bit", errBytesOrBits: "10bps 10Mbps 1kbps",
			rates.whole: "0.1bit 1.0001kbit 0.3333333333333333333333tbit", rates.above: "1001tbit 1000.000000000001tbit 99999999999999999999bit",
		},
		"size": {
			errSign: "+1B", sizes.want: "10 10b 10KB 10kb 10KiB 10bytes B x 1e3B", sizes.whole: "0.5B 1.0001kB",
			sizes.above: "1000001GB 1000000.000000001GB 99999999999999999999B",
		},
	} {
		for want, texts := range bad {
			for _, text := range strings.Fields(texts) {
				if got, err := kinds[kind].parse(text); err != want {
					t.Errorf("%s %q: %v, %v; want %v", kind, text, got, err, want)
				}
			}
		}
		if got, err := kinds[kind].parse(""); err == nil {
			t.Errorf("%s of nothing: %v", kind, got)
		}
	}
}

func TestOrdinal(t *testing.T) {
	for n, want := range map[Number]string{
		1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 10: "10th", 11: "11th", 12: "12th", 13: "13th",
		21: "21st", 102: "102nd", 111: "111th", 1003: "1003rd", math.MaxUint64: "18446744073709551615th",
	} {
		if got := n.Ordinal(); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestRest(t *testing.T) {
	for _, p := range []Percent{0, 1, Hundred / 3, Hundred - 1, Hundred} {
		if p+p.Rest() != Hundred {
			t.Errorf("%v and %v are not 100", p, p.Rest())
		}
	}
}

func FuzzNumber(f *testing.F)  { fuzz(f, "number") }
func FuzzPercent(f *testing.F) { fuzz(f, "percent") }
func FuzzMean(f *testing.F)    { fuzz(f, "mean") }
func FuzzSpan(f *testing.F)    { fuzz(f, "span") }
func FuzzRate(f *testing.F)    { fuzz(f, "rate") }
func FuzzSize(f *testing.F)    { fuzz(f, "size") }

// fuzz reads any text as one type. What is accepted prints as a text that reads as the
// same value.
func fuzz(f *testing.F, kind string) {
	for _, text := range strings.Fields("0 1 007 1.5 .5 100% 1h30m 1µs 10mbit 1.5GB 64kB 0.000001tbit 1000000h 18446744073709551615 -1 ５") {
		f.Add(text)
	}
	parse := kinds[kind].parse
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parse(text)
		if err != nil {
			return
		}
		if again, err := parse(v.String()); err != nil || again != v || again.String() != v.String() {
			t.Errorf("%q is %v, which reads as %v, %v", text, v, again, err)
		}
	})
}
