package policy

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// badNumbers are no numbers at all, for any argument. None contains a space.
var badNumbers = strings.Fields(`
	-1 +1 -0 +0 -0.5 +0.5 --1 +-1 -80% -100 -1ms +1ms -1s -5h - + -% +%
	NaN nan NAN -nan Inf inf INF +Inf -Inf Infinity infinity -infinity ∞
	0x10 0X1F 0xff 0x 0b11 0o17 0x1p4 0x10ms
	1e3 1E3 1e-3 1e+3 1e 1e3s 1E3ms .5e1 1p4
	1_000 1,000 1,5 1'000 1;5 1/2 1:30 00:01 1-2 1..2 1~2 1^2 1*2 (1) [1] {1} <1> "1" '1'
	. .. ... 1. 1.. .1. 1..5 1.2.3 5.% 5.s .s .% %
	%5 5%% %% 5%5 %5% 5pct 5‰ 5٪ $5 #5 @5 5! 5? * ?
	a abc eighty ten a1 1a x y z ms_ true false null nil none on off all yes no default auto
	½ ５０ ٣ ௫ 五 5́ 1٫5 １
	80ms; 80\n 80\0 N ON OFF <N>
`)

// badPercents are numbers, perhaps, but not percentages.
var badPercents = strings.Fields(`
	100.000001 100.1 101 101% 200 200% 255 256 999 1000 65536 4294967296 4294967396
	18446744073709551615 18446744073709551616 18446744073709551696 99999999999999999999999999
	0100.5 000101 100.999999%
	0.0000001 0.0000000 50.0000000 50.0000000% 99.9999999 33.3333333 100.0000000 0.00000000000000000001
	80ms 1s 80us 5h 0s 80m 1h30m
`)

// badSpans are numbers, perhaps, but not durations.
var badSpans = strings.Fields(`
	80% 0% 100% 5x 5sec 5secs 5second 5seconds 5S 5Ms 5MS 5mS 5M 5H 5NS 5Us 5US
	5min 5mins 5minutes 5hr 5hrs 5hour 5hours 5d 5day 5w 5y 5mo 5msec 5usec 5nsec 5milliseconds
	5µ 5u 5n 5k 5µm 5ps 5fs 5jiffies 5j 5Hz 5mss 5sms 5ss 5hh
	s ms us ns m h s5 ms5 h1m
	5s5 5s5.5 1h30 1m30 5s5s 5ms5ms 1h1h 5ms5s 1s1h 1ns1us 1s1m1h 1h1s1m 1m1s1s 1us1µs
	1.5 0.5 .5 2.0 0.0 1.5% 1000.1
	0.5ns 1.1ns 0.0000000001s 1.0000000001s 1.0000001ms 0.0001us 1.2345us 0.00000000001m
	0.000000000001h 0.3333333333333333333333h 0.12345678901234567890123s 1s0.5ns 0.99999999999999999999ns
	1000001h 1000000h1ns 1000000h0.1ns 1000000.000001h 999999h61m 60000001m 60000000m1s 3600000001s
	3600000000s1ns 3600000000001ms 3600000000000001us 3600000000000000001ns 3600000000000000000.1ns
	9223372036854775807ns 9223372036854775808ns 18446744073709551615ns 18446744073709551616ns
	18446744073709551617s 5124095577h 99999999999999999999999999h 1h99999999999999999999s
	360000000001 922337203686 1844674407370955162 18446744073709551615 18446744073709551616
	99999999999999999999999999
	5s- 5s-1ms 5s+1ms 1h-30m 5s, 1s,1ms 5s; 5s/1s
`)

// badCounts are numbers, perhaps, but not whole ones above 0.
var badCounts = strings.Fields(`
	0 00 0.0 1.0 1.5 .5 5% 100% 1s 80ms 1h 0x3 18446744073709551616 99999999999999999999999999
`)

// badRates, badSizes and badBounds are numbers, perhaps, but no rates, sizes and bounds of
// a queue; badParts are no percentages above 0 that a correlation may have.
var (
	badRates  = strings.Fields(`0bit 0mbit 10 10m 10M 10mb 10mbps 10Mb/s 10MB 1.5 1001tbit 0.1bit 1s 5% 10mibit mbit`)
	badSizes  = strings.Fields(`0 0B 64001B 65kB 1MB 5b 5KB 5KiB 0.5B 5mbit 1s 5% 99999999999999999999`)
	badBounds = strings.Fields(`0 0B 0s 0ms 5b 5KB 5KiB 5K 5k 5mbit 5% 1.5 25h 0.5B 18446744073709551616`)
	badParts  = strings.Fields(`0 0% 0.0 99.000001 99.5 100 100% 101 0.0000001 5s 1h`)
	badUpTo   = strings.Fields(`0 00 1.5 5% 1s 10001 18446744073709551616`)
	badWaits  = strings.Fields(`25h 24h1ns 1000000h 86400.000000001s 8640001 5sec 1.5 5% 0.1ns`)
)

// badTexts are wrong as a whole, each with the field and the value at fault.
var badTexts = []struct{ field, value, text string }{
	{"policy", "", ""}, {"policy", " ", " "}, {"policy", "\t\n", "\t\n"},
	{"drop", "", "drop"}, {"policy", "80", "80"}, {"policy", "80%", "80%"}, {"policy", "-1", "-1 percent 5"},
	{"policy", "Pass", "Pass"}, {"policy", "PASS", "PASS"}, {"policy", "passs", "passs"}, {"policy", "pas", "pas"},
	{"policy", "Percent", "Percent 80"}, {"policy", "PERCENT", "PERCENT 80"}, {"policy", "percnt", "percnt 80"},
	{"policy", "percent80", "percent80"}, {"policy", "percent=80", "percent=80"}, {"policy", "percent:80", "percent:80"},
	{"policy", "Time", "Time 1s 1s"}, {"policy", "times", "times 1s 1s"}, {"policy", "time=1s,1s", "time=1s,1s"},
	{"policy", "latency", "latency 20ms"}, {"policy", "limit", "limit 1000"},
	{"policy", "eth0", "eth0 percent 80"}, {"policy", "tx", "tx percent 80"}, {"policy", "both", "both pass"},
	{"policy", ",", ", percent 80"}, {"policy", "percent,", "percent, 80"}, {"policy", "\x00", "\x00"},
	{"policy", "\xff\xfe", "\xff\xfe"}, {"policy", "percent\x0080", "percent\x0080"},
	{"policy", "\ufeffpass", "\ufeffpass"}, {"policy", "p\u0430ss", "p\u0430ss"}, // a Cyrillic а
	{"policy", "--help", "--help"}, {"policy", "{}", "{}"},

	{"policy", "pass pass", "pass pass"}, {"policy", "pass percent 80", "pass percent 80"},
	{"policy", "percent 80 pass", "percent 80 pass"}, {"policy", "pass time 1 1", "pass time 1 1"},
	{"policy", "time 1 1 pass", "time 1 1 pass"}, {"policy", "pass 80", "pass 80"},
	{"policy", "pass ;", "pass ;"}, {"policy", "pass drop", "pass drop"},

	{"policy", "percent 80 percent 80", "percent 80 percent 80"},
	{"policy", "time 1 1 time 1 1", "time 1 1 time 1 1"},
	{"policy", "percent 80 time 1 1 percent 0", "percent 80 time 1 1 percent 0"},
	{"policy", "time 1 0 percent 80 time 1 1", "time 1 0 percent 80 time 1 1"},
	{"policy", "percent 80 percent", "percent 80 percent"},

	{"policy", "90", "percent 80 90"}, {"policy", "%", "percent 80 %"}, {"policy", "junk", "percent 80 junk"},
	{"policy", "and", "percent 80 and time 1 1"}, {"policy", ",", "percent 80 , time 1 1"},
	{"policy", "wait", "percent 80 wait 20ms"}, {"policy", "#", "percent 80 # comment"},
	{"policy", "1s", "time 500ms 1s 1s"}, {"policy", "s", "time 1 1 s"}, {"policy", "5", "time 5 ms 5 ms"},
	{"policy", "junk", "time 1 1 junk percent 80"}, {"policy", "\x00", "percent 80 \x00"},

	{"percent", "", "percent"}, {"percent", "", "percent time 1 1"}, {"percent", "", "percent percent 80"},
	{"percent", "", "percent pass"}, {"percent", "", "time 1 1 percent"},
	{"loss", "", "loss"}, {"loss", "101", "loss 101"}, {"loss", "1 run", "loss 1 run"}, {"loss", "1% 25%", "loss 1% 25%"}, {"percent", "99 25%", "percent 99 25%"},
	{"policy", "percent 5 loss 5", "percent 5 loss 5"}, {"percent", "0 run 5", "percent 0 run 5"}, {"policy", "5", "percent 99 run 5 5"}, {"percent run", "0x5", "percent 99 run 0x5"},
	{"gemodel", "", "gemodel"}, {"gemodel P", "101", "gemodel 101"}, {"gemodel R", "x", "gemodel 1 x"}, {"gemodel BAD", "101", "gemodel 1 10 101"}, {"gemodel GOOD", "-1", "gemodel 1 10 50 -1"}, {"gemodel", "0 0", "gemodel 0 0"},
	{"state", "", "state"}, {"state P13", "x", "state x"}, {"state P14", "101", "state 1 10 20 30 101"}, {"state", "60 50 0 100 41", "state 60 50 0 100 41"}, {"policy", "6", "state 1 2 3 4 5 6"},
	{"exactly", "", "exactly"}, {"exactly", "3", "exactly 3"}, {"exactly", "3", "exactly 3 10"}, {"exactly", "3 of", "exactly 3 of"}, {"exactly", "11 of 10", "exactly 11 of 10"}, {"exactly N", "0", "exactly 0 of 0"}, {"exactly N", "1000001", "exactly 1 of 1000001"}, {"exactly K", "x", "exactly x of 5"},
	{"drop", "", "drop every 5"}, {"drop", "0", "drop 0"}, {"drop", "7-5", "drop 7-5"}, {"policy", "5", "drop 1 5"},
	{"every", "", "every"}, {"every", "", "every time 1 1"}, {"policy", "4", "every 3 4"},
	{"policy", "every 3 every 3", "every 3 every 3"},
	{"time", "", "time"}, {"time", "1s", "time 1s"}, {"time", "1s", "time 1s percent 80"},
	{"time", "", "time percent 80"}, {"time", "1s", "percent 80 time 1s"}, {"time", "80", "time 80 pass"},
	{"time", "", "time time 1 1"}, {"time", "5ms", "time 5ms time 5ms"},

	{"delay", "", "delay"}, {"delay", "", "delay percent 80"}, {"delay", "20ms jitter", "delay 20ms jitter"},
	{"delay", "20ms jitter 5ms every", "delay 20ms jitter 5ms every"}, {"delay", "20ms jitter 5ms correlation", "delay 20ms jitter 5ms correlation"},
	{"delay", "5ms jitter 6ms", "delay 5ms jitter 6ms"}, {"delay", "0 jitter 1ns uniform each", "delay 0 jitter 1ns uniform each"},
	{"policy", "each", "delay 20ms each"}, {"policy", "normal", "delay 20ms normal"}, {"policy", "reordering", "delay 20ms reordering"},
	{"policy", "5ms", "delay 20ms 5ms"}, {"policy", "25%", "delay 20ms jitter 5ms 25%"}, {"policy", "distribution", "delay 20ms jitter 5ms distribution normal"},
	{"policy", "pareto", "delay 20ms jitter 5ms normal pareto"}, {"policy", "each", "delay 20ms jitter 5ms every 5 each"},
	{"policy", "reordering", "delay 20ms jitter 5ms reordering reordering"}, {"policy", "Normal", "delay 20ms jitter 5ms Normal"},
	{"policy", "delay 1 delay 1", "delay 1 delay 1"}, {"policy", "jitter", "jitter 5ms"},
	{"rate", "", "rate"}, {"rate", "1mbit overhead", "rate 1mbit overhead"}, {"rate", "1mbit cell", "rate 1mbit cell"},
	{"policy", "5", "rate 1mbit 5"}, {"policy", "burst", "rate 1mbit burst 32kB"}, {"rate overhead", "-64001B", "rate 1mbit overhead -64001B"},
	{"rate overhead", "-0", "rate 1mbit overhead -0"}, {"policy", "cell", "rate 1mbit cell 48 cell 48"},
	{"queue", "", "rate 1mbit queue"}, {"queue", "5 mark", "rate 1mbit queue 5 mark"}, {"queue", "5", "queue 5"}, {"queue", "5 mark 500ms", "queue 5 mark 50 delay 1s"},
	{"queue", "50ms mark 50ms", "rate 1mbit queue 50ms mark 50ms"}, {"queue", "50ms mark 1h", "rate 1mbit queue 50ms mark 1h"}, {"policy", "64kB", "rate 1mbit queue 5 64kB"},
	{"ecn", "", "ecn"}, {"ecn", "", "ecn rate 1mbit queue 5 mark 1ms"}, {"ecn", "", "duplicate 1 ecn"}, {"policy", "1", "percent 5 ecn 1"}, {"policy", "percent 5 ecn ecn", "percent 5 ecn ecn"},
	{"duplicate", "", "duplicate"}, {"duplicate", "1 copies", "duplicate 1 copies"}, {"policy", "2", "duplicate 1 2"}, {"duplicate copies", "101", "duplicate 1 copies 101"},
	{"corrupt", "", "corrupt"}, {"corrupt", "1 bits", "corrupt 1 bits"}, {"policy", "run", "corrupt 1 run 5"}, {"corrupt bits", "101", "corrupt 1 bits 101"},
	{"reorder", "", "reorder"}, {"reorder", "1 by", "reorder 1 by"}, {"policy", "50%", "reorder 25% 50%"}, {"policy", "gap", "reorder 25% gap 5"},
	{"slot", "", "slot"}, {"slot", "0", "slot 0"}, {"slot", "0 0", "slot 0 0"}, {"slot", "5ms 4ms", "slot 5ms 4ms"}, {"slot", "5ms packets", "slot 5ms packets"},
	{"slot", "5ms bytes", "slot 5ms bytes"}, {"policy", "7ms", "slot 5ms 6ms 7ms"}, {"policy", "packets", "slot 5ms packets 5 packets 5"}, {"slot MIN", "packets", "slot packets 5"},
	{"slot", "", "slot delay 5ms"},

	{"time", "0 0", "time 0 0"}, {"time", "0s 0", "time 0s 0"}, {"time", "0 0s", "time 0 0s"},
	{"time", "0ns 0h", "time 0ns 0h"}, {"time", "0.0s 00", "time 0.0s 00"}, {"time", "0h0m0s 0ms", "time 0h0m0s 0ms"},
	{"time", "0 0", "percent 100 time 0 0"}, {"time", "0 0", "time 0 0 percent 100"},
}

// badInputs is every bad value in every place it can stand in, with the field
// at fault and its value.
func badInputs() map[string]FieldError {
	inputs := map[string]FieldError{}
	add := func(text, field, value string) { inputs[text] = FieldError{Field: field, Value: value} }
	for _, v := range append(badNumbers, badPercents...) {
		add("percent "+v, "percent", v)
		add("time 1s 1s percent "+v, "percent", v)
	}
	for _, v := range append(badNumbers, badSpans...) {
		add("time "+v+" 1s", "time ON", v)
		add("time 1s "+v, "time OFF", v)
	}
	for _, v := range append(badNumbers, badCounts...) {
		add("every "+v, "every", v)
		add("percent 5 every "+v+" time 1s 1s", "every", v)
	}
	for prefix, bad := range map[[2]string][]string{
		{"delay", "delay T"}:                                       badWaits,
		{"delay 20ms jitter", "delay jitter"}:                      append(badWaits, "0", "0s"),
		{"delay 20ms jitter 1ms every", "delay every"}:             append(badWaits, "0", "0s"),
		{"delay 20ms jitter 1ms correlation", "delay correlation"}: badParts,
		{"rate", "rate"}:                                           badRates,
		{"rate 1mbit cell", "rate cell"}:                           badSizes,
		{"rate 1mbit cell 48 overhead", "rate cell overhead"}:      badSizes,
		{"rate 1mbit queue", "queue"}:                              badBounds,
		{"rate 1mbit queue 5 mark", "queue mark"}:                  append(badWaits, "0", "0s"),
		{"duplicate", "duplicate"}:                                 badPercents,
		{"duplicate 5 copies", "duplicate copies"}:                 badUpTo,
		{"corrupt", "corrupt"}:                                     badPercents,
		{"corrupt 5 bits", "corrupt bits"}:                         badUpTo,
		{"reorder", "reorder"}:                                     badPercents,
		{"reorder 5 by", "reorder by"}:                             badUpTo,
		{"slot", "slot MIN"}:                                       badWaits,
		{"slot 5ms", "slot MAX"}:                                   badWaits,
		{"slot 5ms packets", "slot packets"}:                       badCounts,
		{"slot 5ms bytes", "slot bytes"}:                           {"0", "0B", "5b", "5KB", "5KiB", "0.5B", "5mbit", "1s", "5%"},
	} {
		for _, v := range slices.Concat(badNumbers, bad) {
			add(prefix[0]+" "+v, prefix[1], v)
		}
	}
	for _, v := range slices.Concat(badNumbers, badSizes) {
		if !strings.HasPrefix(v, "-1") { // an overhead may be below zero
			add("rate 1mbit overhead "+v, "rate overhead", v)
		}
	}
	for _, bad := range badTexts {
		add(bad.text, bad.field, bad.value)
	}
	return inputs
}

// Each of them is refused with the name of the field and the value, in one
// line, and leaves no half of a policy behind.
func TestParseRefusesBadInputs(t *testing.T) {
	inputs := badInputs()
	if len(inputs) < 300 {
		t.Fatalf("only %d bad inputs", len(inputs))
	}
	for text, want := range inputs {
		p, err := Parse(text)
		if err == nil {
			t.Errorf("Parse(%q) = %v", text, p)
			continue
		}
		var field *FieldError
		if !errors.As(err, &field) {
			t.Errorf("Parse(%q): a %T, want a *FieldError", text, err)
			continue
		}
		if field.Field != want.Field || field.Value != want.Value || field.Why == "" {
			t.Errorf("Parse(%q): field %q, value %q; want %q, %q", text, field.Field, field.Value, want.Field, want.Value)
		}
		if msg := err.Error(); !strings.HasPrefix(msg, want.Field+" ") || !strings.Contains(msg, strconv.Quote(want.Value)) ||
			strings.ContainsAny(msg, "\n\r") {
			t.Errorf("Parse(%q) says %q", text, msg)
		}
		if p != (Policy{}) {
			t.Errorf("Parse(%q) leaves %v", text, p)
		}
	}
}
