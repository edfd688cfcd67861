package policy

import (
	"errors"
	"strings"
	"testing"
)

// goodTexts are texts that people type, and how each is printed.
var goodTexts = []struct{ text, canonical, mode, arguments string }{
	{"pass", "pass", "pass", ""},
	{"  pass\n", "pass", "pass", ""},
	{"percent 80", "percent 80", "percent", "80"},
	{"percent 80%", "percent 80", "percent", "80"},
	{"percent 0", "percent 0", "percent", "0"},
	{"percent 100", "percent 100", "percent", "100"},
	{"percent 33.333", "percent 33.333", "percent", "33.333"},
	{"percent\t00.500000", "percent 0.5", "percent", "0.5"},
	{"time 500ms 1s", "time 500ms 1s", "time", "500ms 1s"},
	{"time 50 100", "time 500ms 1s", "time", "500ms 1s"},
	{"time 0 1h30m", "time 0s 1h30m0s", "time", "0s 1h30m0s"},
	{"time 1ns 0", "time 1ns 0s", "time", "1ns 0s"},
	{"percent 99 time 1s 10ms", "percent 99 time 1s 10ms", "percent+time", "99 1s 10ms"},
	{"time 1s 10ms percent 99", "percent 99 time 1s 10ms", "percent+time", "99 1s 10ms"},
	{"every 3", "every 3", "every", "3"},
	{"loss 1% run 5.50", "percent 99 run 5.5", "percent", "99 run 5.5"},
	{"gemodel 1% 10% 50% 0.1%", "gemodel 1 10 50 0.1", "gemodel", "1 10 50 0.1"},
	{"state 1 10 20 30 0.2", "state 1 10 20 30 0.2", "state", "1 10 20 30 0.2"},
	{"exactly 03 of 010", "exactly 3 of 10", "exactly", "3 of 10"},
	{"drop 5-7,1", "drop 1,5-7", "drop", "1,5-7"},
	{"time 1s 1s drop 1 exactly 1 of 2 every 3 state 1 gemodel 2 loss 3", "percent 97 gemodel 2 state 1 every 3 exactly 1 of 2 drop 1 time 1s 1s", "percent+gemodel+state+every+exactly+drop+time", "97 2 1 3 1 of 2 1 1s 1s"},
	{"every 1", "every 1", "every", "1"},
	{"every 18446744073709551615", "every 18446744073709551615", "every", "18446744073709551615"},
	{"time 1s 10ms every 007 percent 5%", "percent 5 every 7 time 1s 10ms", "percent+every+time", "5 7 1s 10ms"},
	{"delay 100ms", "delay 100ms", "delay", "100ms"},
	{"delay 40ms jitter 10ms normal", "delay 40ms jitter 10ms normal", "delay", "40ms jitter 10ms normal"},
	{"delay 40ms jitter 10ms every 3 every 3", "every 3 delay 40ms jitter 10ms every 30ms", "every+delay", "3 40ms jitter 10ms every 30ms"},
	{"rate 10mbit queue 50ms delay 20ms percent 99.5", "percent 99.5 rate 10mbit queue 50ms delay 20ms", "percent+rate+queue+delay", "99.5 10mbit 50ms 20ms"},
	{"rate 2Mbit overhead 24 cell 48 overhead 5", "rate 2mbit overhead 24B cell 48B overhead 5B", "rate", "2mbit overhead 24B cell 48B overhead 5B"},
	{"queue 64kB mark 5ms rate 10mbit", "rate 10mbit queue 64kB mark 5ms", "rate+queue", "10mbit 64kB mark 5ms"},
	{"corrupt 0.1%", "corrupt 0.1", "corrupt", "0.1"},
	{"corrupt 1 bits 3", "corrupt 1 bits 3", "corrupt", "1 bits 3"},
	{"duplicate 1%", "duplicate 1", "duplicate", "1"},
	{"duplicate 1 copies 2", "duplicate 1 copies 2", "duplicate", "1 copies 2"},
	{"reorder 2% by 3", "reorder 2 by 3", "reorder", "2 by 3"},
	{"slot 5ms 15ms packets 20", "slot 5ms 15ms packets 20", "slot", "5ms 15ms packets 20"},
	{"ecn percent 99", "percent 99 ecn", "percent+ecn", "99"},
	{" percent   100 \r\n time 0 5 ", "percent 100 time 0s 50ms", "percent+time", "100 0s 50ms"},
}

func TestParseGood(t *testing.T) {
	for _, c := range goodTexts {
		p, err := Parse(c.text)
		if err != nil {
			t.Errorf("Parse(%q): %v", c.text, err)
			continue
		}
		if p.String() != c.canonical || p.Mode() != c.mode || p.Arguments() != c.arguments {
			t.Errorf("Parse(%q) is %q, mode %q, arguments %q; want %q, %q, %q",
				c.text, p, p.Mode(), p.Arguments(), c.canonical, c.mode, c.arguments)
		}
		if again, err := Parse(p.String()); err != nil || again != p {
			t.Errorf("%q reads as %+v, %v; want %+v", p, again, err, p)
		}
	}
}

// Texts that mean the same are equal, others are not.
func TestPolicyIsComparable(t *testing.T) {
	parsed := map[Policy]string{}
	for _, c := range goodTexts {
		p, err := Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if was, ok := parsed[p]; ok && was != c.canonical {
			t.Errorf("%q and %q are equal", was, c.canonical)
		}
		parsed[p] = c.canonical
	}
	if parsed[Policy{}] != "pass" {
		t.Error("the zero Policy is not pass")
	}
}

func TestZeroPolicyIsPass(t *testing.T) {
	var p Policy
	if p.String() != "pass" || p.Mode() != "pass" || p.Arguments() != "" {
		t.Errorf("zero Policy: %q, mode %q, arguments %q", p, p.Mode(), p.Arguments())
	}
}

// The sentences that a person reads, word for word.
func TestErrorText(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     `policy "": is empty; want pass, percent, gemodel, state, every, exactly, drop, time, ecn, duplicate, corrupt, rate, queue, delay, reorder or slot`,
		"slow 5":                               `policy "slow": is not a stage; want pass, percent, gemodel, state, every, exactly, drop, time, ecn, duplicate, corrupt, rate, queue, delay, reorder or slot`,
		"pass percent 5":                       `policy "pass percent 5": pass stands alone`,
		"percent 5 percent 6":                  `policy "percent 5 percent 6": percent is given twice`,
		"percent 80 loss 1":                    `policy "percent 80 loss 1": loss is another way to write percent, which is given`,
		"percent 80 wait 1":                    `policy "wait": unexpected after percent N [run L]; want pass, percent, gemodel, state, every, exactly, drop, time, ecn, duplicate, corrupt, rate, queue, delay, reorder or slot`,
		"percent":                              `percent "": incomplete; want percent N [run L]`,
		"percent 200":                          `percent "200": must be a decimal number from 0 to 100`,
		"percent -1":                           `percent "-1": must not have a sign`,
		"percent 50.1234567":                   `percent "50.1234567": must not have more than 6 decimals`,
		"every 0":                              `every "0": must be 1 or more`,
		"every 1.5":                            `every "1.5": must be a whole number`,
		"every":                                `every "": incomplete; want every N`,
		"time 5":                               `time "5": incomplete; want time ON OFF`,
		"time 0 0s":                            `time "0 0s": ON and OFF are both zero`,
		"time 5x 1s":                           `time ON "5x": must have a unit h, m, s, ms, us or ns behind each number`,
		"time 1s fast":                         `time OFF "fast": must be a duration such as 500ms or 1.5s, or a whole number of jiffies of 10ms`,
		"time 1s1m 1s":                         `time ON "1s1m": must have its units once each and in descending order`,
		"time 1s 0.1ns":                        `time OFF "0.1ns": must be a whole number of nanoseconds`,
		"time 1s 1000001h":                     `time OFF "1000001h": must not be longer than 1000000h`,
		"delay -1ms":                           `delay T "-1ms": must not have a sign`,
		"delay":                                `delay "": incomplete; want delay T [jitter J [uniform|normal|pareto|paretonormal] [each|every T] [correlation P] [reordering]]`,
		"delay 25h":                            `delay T "25h": must not be longer than 24h0m0s`,
		"delay 5ms jitter 6ms":                 `delay "5ms jitter 6ms": the jitter is above the delay, so that some delays would be below zero`,
		"delay 5ms jitter 0":                   `delay jitter "0": must be above 0`,
		"delay 5ms jitter 5ms correlation 100": `delay correlation "100": must not be above 99`,
		"rate 10":                              `rate "10": must be a rate such as 500kbit, 10mbit or 1.5gbit (bits per second)`,
		"rate 0bit":                            `rate "0bit": must be above 0`,
		"rate 1mbit overhead 65kB":             `rate overhead "65kB": must not be larger than 64kB`,
		"queue 5":                              `queue "5": is the queue of a link, so that it needs rate R beside it`,
		"queue 0 rate 1mbit":                   `queue "0": must be above 0`,
		"rate 1mbit queue 5k":                  `queue "5k": must be a number of packets such as 100, a size such as 64kB or a duration such as 50ms`,
		"rate 1mbit queue 5ms mark 5ms":        `queue "5ms mark 5ms": no packet waits longer than the queue allows, so that none would be marked`,
		"ecn":                                  `ecn "": marks what another stage would drop, so that it needs one beside it, such as percent 80`,
		"ecn delay 5ms":                        `ecn "": marks what another stage would drop, so that it needs one beside it, such as percent 80`,
		"duplicate 1 copies 101":               `duplicate copies "101": must be from 1 to 100`,
		"corrupt 1 bits 0":                     `corrupt bits "0": must be from 1 to 100`,
		"reorder 1 by 10001":                   `reorder by "10001": must be from 1 to 10000`,
		"slot 0":                               `slot "0": the wire would never be closed: MIN or MAX must be above 0`,
		"slot 5ms 4ms":                         `slot "5ms 4ms": MAX is below MIN`,
		"percent 5\x00\x1b[31m":                `percent "5\x00\x1b[31m": must be a decimal number from 0 to 100`,
		"percent " + strings.Repeat("9", 5000): `percent "` + strings.Repeat("9", 64) +
			`"…: must be a decimal number from 0 to 100`,
	} {
		if _, err := Parse(text); err == nil || err.Error() != want {
			t.Errorf("Parse(%.60q):\n got %v\nwant %s", text, err, want)
		}
	}
}

// A long value is abridged for the eye only.
func TestErrorKeepsWholeValue(t *testing.T) {
	long := strings.Repeat("x", 5000)
	_, err := Parse("time " + long + " 1s")
	var field *FieldError
	if !errors.As(err, &field) || field.Value != long {
		t.Errorf("%v", err)
	}
}

// Whoever adds a stage finds here what its row must keep to.
func TestStagesTable(t *testing.T) {
	numbers, names := map[Stage]bool{Relay: true}, map[string]bool{pass: true}
	for _, s := range table {
		if numbers[s.number] || names[s.name] || s.number >= StageNumbers {
			t.Errorf("stage %s, number %d: taken", s.name, s.number)
		}
		numbers[s.number], names[s.name] = true, true
		settings := s.settings(new(Policy))
		if settings.given() || settings.summary() == "" || !strings.HasPrefix(settings.usage()+" ", s.name+" ") ||
			strings.ContainsAny(s.name, " 0123456789") {
			t.Errorf("stage %q, usage %q", s.name, settings.usage())
		}
	}
	for name, number := range map[string]Stage{
		"percent": 1, "time": 2, "every": 3, "delay": 4, "rate": 5, "queue": 6, "duplicate": 7, "corrupt": 8, "reorder": 9, "slot": 10, "ecn": 11,
	} {
		if s, ok := rowOf(name); !ok || s.number != number {
			t.Errorf("stage %s has number %d; it was %d, and old seeds depend on it", name, s.number, number)
		}
	}
}
