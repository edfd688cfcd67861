package policy

import (
	"errors"
	"strconv"
	"strings"
	"testing"
)

// rulesOf reads a rules file that is right.
func rulesOf(t testing.TB, text string) Rules {
	t.Helper()
	rules, err := ParseRules(text, "rules")
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

const threeRules = "dns: udp port 53 both delay 200ms\napi: tcp host 10.1.2.3 tx percent 95 rx pass\nrest: any rx every 5\n"

// A rules file may have comments and empty lines; it prints as rules alone.
func TestParseRules(t *testing.T) {
	for text, want := range map[string]string{
		"":           "",
		"\n\n":       "",
		"# nothing":  "",
		" \t\r\n#\n": "",
		threeRules:   threeRules,
		"# hosts\n\n  dns:\tport 53 and udp   both delay 20 # slow\r\n#x: any tx pass\nb: any tx pass": "dns: udp port 53 both delay 200ms\nb: any tx pass\n",
	} {
		rules, err := ParseRules(text, "rules")
		if err != nil || rules.String() != want {
			t.Errorf("%q: %q, %v, want %q", text, rules, err, want)
		}
		if again, err := ParseRules(rules.String(), "rules"); err != nil || again.String() != want {
			t.Errorf("%q reads as %q, %v", rules, again, err)
		}
	}
}

// A rules file is refused as a whole, with the line, the field and the value.
func TestParseRulesRefuses(t *testing.T) {
	many := new(strings.Builder)
	for i := range MaxRules + 1 {
		many.WriteString("r" + strconv.Itoa(i) + ": any tx pass\n")
	}
	long := "dns: any tx pass #" + strings.Repeat("x", 4096)
	for _, test := range []struct {
		text              string
		line              int
		field, value, why string
	}{
		{"dns udp port 53 both pass", 1, "rule", "dns", "must end with a colon"},
		{"dns : udp both pass", 1, "rule", "dns", "must end with a colon"},
		{"a: any tx pass\n\n# x\nb: any both percent 101\n", 4, "both percent", "101", "from 0 to 100"},
		{"a: any tx pass\nb: tcp udp tx pass\nc: nonsense\n", 2, "match", "udp", "no packet fits"},
		{"a: any tx pass\nb: any tx pass\na: any rx pass\n", 3, "rule", "a", "is in line 1 already"},
		{": any tx pass", 1, "rule", "", "is empty"},
		{"a:", 1, "match", "", "is empty"},
		{"a: any tx # pass", 1, "tx policy", "", "is empty"},
		{"a: any tx pass\n" + long, 2, "line", long, "must not be longer than 4096 bytes"},
		{many.String(), MaxRules + 1, "rule", "r" + strconv.Itoa(MaxRules), "no more are allowed"},
	} {
		rules, err := ParseRules(test.text, "my/rules")
		var refused *FileError
		if rules != nil || !errors.As(err, &refused) || refused.File != "my/rules" || refused.Line != test.line {
			t.Errorf("%.99q: %v, %v", test.text, rules, err)
			continue
		}
		if want := "my/rules:" + strconv.Itoa(test.line) + ": " + test.field + " "; !strings.HasPrefix(err.Error(), want) || len(err.Error()) > 512 {
			t.Errorf("%.99q says %q", test.text, err)
		}
		if test.field == "line" {
			continue // the value is too long to be compared
		}
		checkField(t, test.text[:min(99, len(test.text))], err, test.field, test.value, test.why)
	}
}

// Edits return another list, and leave the first one as it is.
func TestEdits(t *testing.T) {
	rules := rulesOf(t, threeRules)
	rule := rulesOf(t, "big: greater 1400 both percent 0")[0]
	every, pass := Policy{every: every{n: 3}}, Policy{}
	for _, test := range []struct {
		name string
		edit func() (Rules, error)
		want string
	}{
		{"add", func() (Rules, error) { return rules.Add(rule, "") }, threeRules + "big: greater 1400 both percent 0\n"},
		{"add to none", func() (Rules, error) { return Rules(nil).Add(rule, "") }, "big: greater 1400 both percent 0\n"},
		{"add before", func() (Rules, error) { return rules.Add(rule, "api") },
			"dns: udp port 53 both delay 200ms\nbig: greater 1400 both percent 0\napi: tcp host 10.1.2.3 tx percent 95 rx pass\nrest: any rx every 5\n"},
		{"add before the first", func() (Rules, error) { return rules.Add(rule, "dns") }, "big: greater 1400 both percent 0\n" + threeRules},
		{"set both", func() (Rules, error) { return rules.Set("dns", &every, &pass) }, strings.Replace(threeRules, "both delay 200ms", "tx every 3 rx pass", 1)},
		{"set one", func() (Rules, error) { return rules.Set("api", &pass, nil) }, strings.Replace(threeRules, "tx percent 95 rx pass", "both pass", 1)},
		{"set the other", func() (Rules, error) { return rules.Set("rest", &every, nil) }, strings.Replace(threeRules, "any rx every 5", "any tx every 3 rx every 5", 1)},
		{"delete", func() (Rules, error) { return rules.Delete("api") }, "dns: udp port 53 both delay 200ms\nrest: any rx every 5\n"},
		{"delete the last", func() (Rules, error) { return rulesOf(t, "a: any tx pass").Delete("a") }, ""},
	} {
		got, err := test.edit()
		if err != nil || got.String() != test.want {
			t.Errorf("%s: %q, %v, want %q", test.name, got, err, test.want)
		}
		if rules.String() != threeRules {
			t.Fatalf("%s: changed the list to %q", test.name, rules)
		}
	}
	if i, ok := rules.Find("api"); !ok || i != 1 {
		t.Errorf("api is at %d, %v", i, ok)
	}
}

// An edit that cannot be is refused with the name of the rule.
func TestEditsRefuse(t *testing.T) {
	rules := rulesOf(t, threeRules)
	full := make(Rules, MaxRules)
	for i := range full {
		full[i] = Rule{Name: "r" + strconv.Itoa(i)}
	}
	for _, test := range []struct {
		edit       func() (Rules, error)
		value, why string
	}{
		{func() (Rules, error) { return rules.Add(Rule{Name: "dns"}, "") }, "dns", "exists already"},
		{func() (Rules, error) { return rules.Add(Rule{Name: "x"}, "y") }, "y", "does not exist"},
		{func() (Rules, error) { return full.Add(Rule{Name: "x"}, "") }, "x", "no more are allowed"},
		{func() (Rules, error) { return rules.Set("x", &Policy{}, nil) }, "x", "does not exist"},
		{func() (Rules, error) { return rules.Delete("x") }, "x", "does not exist"},
		{func() (Rules, error) { return Rules(nil).Delete("x") }, "x", "does not exist"},
	} {
		got, err := test.edit()
		if got != nil {
			t.Errorf("%v", got)
		}
		checkField(t, test.value, err, "rule", test.value, test.why)
	}
	if _, ok := rules.Find("x"); ok {
		t.Error("x is there")
	}
}

// FuzzRules reads any text as a rules file. What is accepted prints as a text that reads as
// the same rules, and compiles.
func FuzzRules(f *testing.F) {
	f.Add(threeRules)
	for _, c := range goodRules {
		name, rest, _ := strings.Cut(c.text, " ")
		f.Add("# x\n" + name + ": " + rest + " # y\r\n")
	}
	for _, c := range badRules {
		name, rest, _ := strings.Cut(c.text, " ")
		f.Add("a: any tx pass\n" + name + ": " + rest)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := ParseRules(text, "rules")
		if err != nil {
			var line *FileError
			var field *FieldError
			if !errors.As(err, &line) || !errors.As(err, &field) || rules != nil {
				t.Fatalf("%v, a %T", rules, err)
			}
			checkRefused(t, Policy{}, line.Err)
			if lines := strings.Count(text, "\n") + 1; line.Line < 1 || line.Line > lines {
				t.Errorf("line %d of %d", line.Line, lines)
			}
			return
		}
		again, err := ParseRules(rules.String(), "rules")
		if err != nil || again.String() != rules.String() || len(again) != len(rules) {
			t.Fatalf("%q reads as %q, %v", rules, again, err)
		}
	})
}
