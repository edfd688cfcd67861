package policy

import (
	"strconv"
	"strings"
	"testing"
)

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

// The most rules are read and printed.
func TestMostRules(t *testing.T) {
	text := manyRules(MaxRules)
	if rulesOf(t, text).String() != text {
		t.Error("the rules print as another text")
	}
}

func BenchmarkParseRules(b *testing.B) {
	text := manyRules(MaxRules)
	b.ReportAllocs()
	for b.Loop() {
		rulesOf(b, text)
	}
}
