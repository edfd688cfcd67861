package policy

import (
	"errors"
	"strconv"
	"strings"
	"testing"
)

// goodRules are rules and their canonical texts.
var goodRules = []struct{ text, want string }{
	{"dns udp port 53 both delay 200ms jitter 50ms", "dns udp port 53 both delay 200ms jitter 50ms"},
	{"api tcp host 10.1.2.3 port 443 tx percent 95 rx percent 99 delay 30ms", "api tcp host 10.1.2.3 port 443 tx percent 95 rx percent 99 delay 30ms"},
	{"api tcp rx pass tx percent 95.50", "api tcp tx percent 95.5 rx pass"},
	{"big greater 1400 both percent 0", "big greater 1400 both percent 0"},
	{"a.B-c_9 any tx pass", "a.B-c_9 any tx pass"},
	{"9 any rx pass", "9 any rx pass"},
	{"one any tx every 5 rx every 5", "one any both every 5"},
	{"acks port 80 and ack and less 100 rx delay 50", "acks ack port 80 less 100 rx delay 500ms"},
	{"percent udp tx percent 5", "percent udp tx percent 5"},
	{strings.Repeat("x", 32) + " any tx pass", strings.Repeat("x", 32) + " any tx pass"},
}

func TestParseRule(t *testing.T) {
	for _, test := range goodRules {
		r, err := ParseRule(strings.Fields(test.text))
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if got := r.String(); got != test.want {
			t.Errorf("%s: %q, want %q", test.text, got, test.want)
		}
		again, err := ParseRule(strings.Fields(r.String()))
		if err != nil || again.String() != r.String() {
			t.Errorf("%q reads as %q, %v", r, again, err)
		}
	}
}

// A rule looks only at the directions for which it has a policy.
func TestRuleOfOneDirection(t *testing.T) {
	r, err := ParseRule(strings.Fields("a any rx percent 5"))
	if err != nil || r.TX != nil || r.RX == nil || r.RX.String() != "percent 5" || r.Policy(TX) != nil || r.Policy(RX) != r.RX {
		t.Errorf("%v, %v", r, err)
	}
}

// badRules are refused: the field and the value that the error names, and a part of why.
var badRules = []struct{ text, field, value, why string }{
	{"", "rule", "", "is empty; want NAME MATCH"},
	{"dns", "match", "", "is empty"},
	{"dns udp port 53", "rule", "dns udp port 53", "incomplete; want NAME MATCH tx|rx|both POLICY"},
	{"dns both pass", "match", "", "is empty"},
	{"dns udp prot 53 both pass", "match", "prot", "is no part"},
	{"dns udp port 53 percent 5", "match", "percent", "is no part"},
	{"dns udp port x both pass", "port", "x", "whole number"},
	{"dns udp both", "both policy", "", "is empty"},
	{"dns udp tx rx pass", "tx policy", "", "is empty"},
	{"dns udp tx percent 101", "tx percent", "101", "from 0 to 100"},
	{"dns udp tx pass rx time 1s", "rx time", "1s", "incomplete"},
	{"dns udp both foo", "both policy", "foo", "is not a stage"},
	{"dns udp tx pass tx percent 5", "tx", "percent 5", "tx has a policy already"},
	{"dns udp both pass rx percent 5", "rx", "percent 5", "rx has a policy already"},
	{"dns udp rx pass both percent 5", "both", "percent 5", "rx has a policy already"},
	{"tx any both pass", "rule", "tx", "is a word"}, {"both any both pass", "rule", "both", "is a word"}, {"before any both pass", "rule", "before", "is a word"},
	{"default any both pass", "rule", "default", "own policy"},
	{"dns: any both pass", "rule", "dns:", "letters, digits"}, {"-dns any both pass", "rule", "-dns", "begin with a letter"},
	{".dns any both pass", "rule", ".dns", "begin with a letter"}, {"_ any both pass", "rule", "_", "begin with a letter"},
	{"dän any both pass", "rule", "dän", "letters, digits"}, {"a/b any both pass", "rule", "a/b", "letters, digits"},
	{strings.Repeat("x", 33) + " any both pass", "rule", strings.Repeat("x", 33), "longer than 32 bytes"},
}

// A bad rule is refused with the field and the value.
func TestParseRuleRefuses(t *testing.T) {
	for _, test := range badRules {
		r, err := ParseRule(strings.Fields(test.text))
		checkField(t, test.text, err, test.field, test.value, test.why)
		if r.Name != "" || r.TX != nil || r.RX != nil || r.Match.String() != "any" {
			t.Errorf("%q leaves %v", test.text, r)
		}
	}
	if err := CheckName(""); err == nil {
		t.Error("a rule may have no name")
	}
}

// checkField checks a refusal: its parts and its text.
func checkField(t *testing.T, text string, err error, field, value, why string) {
	t.Helper()
	var refused *FieldError
	if !errors.As(err, &refused) {
		t.Errorf("%q: %v", text, err)
		return
	}
	if refused.Field != field || refused.Value != value || !strings.Contains(refused.Why, why) {
		t.Errorf("%q: field %q, value %q, %q; want %q, %q, %q", text, refused.Field, refused.Value, refused.Why, field, value, why)
	}
	if want := field + " " + strconv.Quote(value) + ": "; !strings.HasPrefix(refused.Error(), want) {
		t.Errorf("%q says %q", text, refused)
	}
}
