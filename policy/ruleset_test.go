package policy

import (
	"strconv"
	"strings"
	"testing"

	"github.com/seed-39a139a1/insane/policy/match"
)

// ipv4Key is the key of an IPv4 packet to a port of 10.1.2.3.
func ipv4Key(protocol uint8, port uint16) *match.Key {
	return &match.Key{
		EtherType: 0x800, Has: match.HasIPv4 | match.HasDSCP | match.HasProtocol | match.HasPorts,
		Protocol: protocol, Destination: [16]byte{10, 1, 2, 3}, SourcePort: 50000, DestinationPort: port,
	}
}

// A direction has the rules that look at it, in their order, and its own policy behind them.
func TestCompile(t *testing.T) {
	own := Policy{every: every{n: 7}}
	rules := rulesOf(t, threeRules)
	tx := rules.Compile(TX, Compiling{Own: own, OwnEpoch: 5, Epoch: 9, Seed: 3})
	rx := rules.Compile(RX, Compiling{Own: own, Seed: 4})
	describe := func(s *Ruleset) string {
		var parts []string
		for i := range s.Len() {
			parts = append(parts, s.Name(i)+" "+s.Policy(i).String())
		}
		return strings.Join(parts, ", ")
	}
	if got, want := describe(tx), "dns delay 200ms, api percent 95, default every 7"; got != want {
		t.Errorf("tx: %s, want %s", got, want)
	}
	if got, want := describe(rx), "dns delay 200ms, api pass, rest every 5, default every 7"; got != want {
		t.Errorf("rx: %s, want %s", got, want)
	}
	if tx.Own() != 2 || rx.Own() != 3 || tx.Epoch(0) != 9 || tx.Epoch(2) != 5 {
		t.Errorf("%+v, %+v", tx, rx)
	}
	if got, want := tx.Stages().String(), "percent, every, delay"; got != want {
		t.Errorf("stages %s, want %s", got, want)
	}
	only := rulesOf(t, "a: any rx delay 1s")
	if !tx.Holds() || only.Compile(TX, Compiling{Own: own}).Holds() || !only.Compile(RX, Compiling{Own: own}).Holds() {
		t.Error("the wrong rulesets hold packets")
	}
	for _, test := range []struct {
		key    *match.Key
		tx, rx string
		length uint32
	}{
		{key: ipv4Key(17, 53), tx: "dns", rx: "dns", length: 60},
		{key: ipv4Key(6, 53), tx: "api", rx: "api", length: 60},
		{key: ipv4Key(17, 54), tx: "default", rx: "rest", length: 60},
		{key: &match.Key{}, tx: "default", rx: "rest", length: 14},
	} {
		if got := tx.Name(tx.Lookup(test.key, test.length)); got != test.tx {
			t.Errorf("%+v: tx %s, want %s", test.key, got, test.tx)
		}
		if got := rx.Name(rx.Lookup(test.key, test.length)); got != test.rx {
			t.Errorf("%+v: rx %s, want %s", test.key, got, test.rx)
		}
	}
}

// Without rules, everything is as it is without a ruleset.
func TestCompileWithoutRules(t *testing.T) {
	own, err := Parse("percent 50 delay 20ms jitter 5ms each time 1s 1s")
	if err != nil {
		t.Fatal(err)
	}
	s := Rules(nil).Compile(RX, Compiling{Own: own, OwnEpoch: 77, Epoch: 88, Seed: 99})
	if s.Len() != 1 || *s.Program(0) != own.Compile(77, 99) || s.Lookup(ipv4Key(6, 5), 60) != 0 || !s.SameLengths(0, 1<<20) {
		t.Errorf("%+v", s)
	}
}

const aFaultyPolicy = "percent 50 time 1s 1s corrupt 5 delay 20ms jitter 5ms"

// programsOf returns the programs of a ruleset, by the names of the rules.
func programsOf(s *Ruleset) map[string]Program {
	programs := make(map[string]Program)
	for i := range s.Len() {
		programs[s.Name(i)] = *s.Program(i)
	}
	return programs
}

// To add, move, change or delete a rule changes no program of another, nor that of the
// direction itself; so neither their draws nor their phases move.
func TestRulesAreIndependent(t *testing.T) {
	text := ""
	for _, name := range []string{"a", "b", "c"} {
		text += name + ": port " + strconv.Itoa(len(text)+1) + " both " + aFaultyPolicy + "\n"
	}
	rules := rulesOf(t, text)
	own := *rules[0].TX
	first := rules.Compile(TX, Compiling{Own: own, OwnEpoch: 1, Epoch: 2, Seed: 7})
	want := programsOf(first)
	if len(want) != 4 {
		t.Fatal(want)
	}
	for name, program := range want {
		for other, its := range want {
			if name != other && (program.PercentKey == its.PercentKey || program.DelayKey == its.DelayKey || program.CorruptKey == its.CorruptKey) {
				t.Errorf("%s and %s share keys", name, other)
			}
		}
	}
	for edit, text := range map[string]string{
		"nothing":  text,
		"add":      "d: any tx percent 5\n" + text,
		"move":     strings.Join(reversed(strings.SplitAfter(text, "\n")), ""),
		"set":      strings.Replace(text, "percent 50", "percent 60", 1),
		"match":    strings.Replace(text, "port 1 ", "udp ", 1),
		"delete":   text[strings.Index(text, "\n")+1:],
		"all gone": "",
	} {
		s := rulesOf(t, text).Compile(TX, Compiling{Own: own, OwnEpoch: 1, Epoch: 1000, Seed: 7, Before: first})
		for name, program := range programsOf(s) {
			changed := name == "d" || name == "a" && edit == "set"
			if program == want[name] == changed {
				t.Errorf("%s: the program of %s: changed %v, want %v", edit, name, !changed, changed)
			}
			if name == "a" && changed && (program.PercentKey != want[name].PercentKey || program.TimeEpoch != 1000) {
				t.Errorf("%s: a has another key or its old epoch", edit)
			}
		}
		for i := range s.Len() {
			former, ok := s.Former(i)
			if ok != (s.Name(i) != "d") || ok && first.Name(former) != s.Name(i) {
				t.Errorf("%s: %s was at %d, %v", edit, s.Name(i), former, ok)
			}
		}
	}
	if _, ok := first.Former(0); ok {
		t.Error("the first ruleset has former rules")
	}
}

func reversed(s []string) []string {
	var back []string
	for i := range s {
		back = append(back, s[len(s)-1-i])
	}
	return back
}

// The seeds of rules are those of every version.
func TestRuleSeed(t *testing.T) {
	for name, want := range map[string]uint64{"dns": 0xeaff69208db53ae4, "api": 0x19b414a8e32c0d6e, "a": 0x889adb09e2e51791, "big": 0x64ceca25a3285977, "web": 0xfa646c8807516f4c} {
		if got := RuleSeed(7, name); got != want {
			t.Errorf("%s: %#x, want %#x", name, got, want)
		}
	}
	// FNV-1a of "foobar" is among the test vectors of draft-eastlake-fnv.
	if got := nameHash("foobar"); got != 0x85944171f73967e8 {
		t.Errorf("hash of foobar: %#x", got)
	}
	if RuleSeed(7, "dns") != Subseed(7, nameHash("dns")|1<<63) {
		t.Error("a rule's seed is no subseed of the direction's")
	}
}

// manyRules returns the text of a rules file with n rules of one shape.
func manyRules(n int) string {
	text := new(strings.Builder)
	for i := range n {
		text.WriteString("host-" + strconv.Itoa(i) + ": dst host 10.9." + strconv.Itoa(i>>8) + "." + strconv.Itoa(i&255) + " tx percent 90 delay 20ms\n")
	}
	return text.String()
}

// The most rules are read, printed and compiled, and each judges its packets.
func TestMostRules(t *testing.T) {
	text := manyRules(MaxRules)
	rules := rulesOf(t, text)
	if rules.String() != text {
		t.Error("the rules print as another text")
	}
	s := rules.Compile(TX, Compiling{})
	s = rules.Compile(TX, Compiling{Before: s})
	for i := range rules {
		k := match.Key{EtherType: 0x800, Has: match.HasIPv4, Destination: [16]byte{10, 9, byte(i >> 8), byte(i)}}
		if got := s.Lookup(&k, 60); got != i || s.Name(got) != rules[i].Name {
			t.Fatalf("%s: %s", rules[i].Name, s.Name(got))
		}
		if former, ok := s.Former(i); !ok || former != i {
			t.Fatalf("%s was at %d, %v", rules[i].Name, former, ok)
		}
	}
	k := match.Key{EtherType: 0x800, Has: match.HasIPv4, Destination: [16]byte{10, 10, 0, 0}}
	if got := s.Lookup(&k, 60); got != s.Own() || s.Own() != MaxRules {
		t.Errorf("another host is judged by %d of %d", got, s.Own())
	}
}

// The programs of rules are those that a rule's seed makes. A look-up allocates nothing.
func TestRulesetPrograms(t *testing.T) {
	rules := rulesOf(t, "a: udp tx "+aFaultyPolicy)
	s := rules.Compile(TX, Compiling{Epoch: 5, Seed: 7})
	if *s.Program(0) != rules[0].TX.Compile(5, RuleSeed(7, "a")) {
		t.Errorf("%+v", s.Program(0))
	}
	k := ipv4Key(17, 5)
	if n := testing.AllocsPerRun(100, func() { s.Lookup(k, 60) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCompileRules(b *testing.B) {
	rules := rulesOf(b, manyRules(MaxRules))
	b.ReportAllocs()
	for b.Loop() {
		rules.Compile(TX, Compiling{Seed: 7})
	}
}

func BenchmarkParseRules(b *testing.B) {
	text := manyRules(MaxRules)
	b.ReportAllocs()
	for b.Loop() {
		rulesOf(b, text)
	}
}
