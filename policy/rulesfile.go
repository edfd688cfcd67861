package policy

import (
	"strconv"
	"strings"
)

// A rules file has one rule a line, in the order of the list:
//
//	# names of hosts are slow to come
//	dns: udp port 53 both delay 200ms jitter 50ms
//	api: tcp host 10.1.2.3 port 443 tx percent 95 rx percent 99 delay 30ms
//
// A # and what follows it in the line is a comment. Lines without a rule are allowed.

// maxLine is the most bytes of a line in a rules file.
const maxLine = 4096

// FileError says in which line of a rules file an error is.
type FileError struct {
	File string // the name of the file, as ParseRules was told
	Line int    // from 1
	Err  error  // a *[FieldError]
}

// Error is "FILE:LINE: " and the error.
func (e *FileError) Error() string { return e.File + ":" + strconv.Itoa(e.Line) + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *FileError) Unwrap() error { return e.Err }

// ParseRules reads the text of a rules file. file is its name, for errors. Either all lines are
// right, or the result is nil and the error a *[FileError] about the first one that is not.
func ParseRules(text, file string) (Rules, error) {
	var rules Rules
	lines := make(map[string]int) // of each rule, by name
	same := make(policies)
	for number := 1; text != ""; number++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		rule, ok, err := parseLine(line)
		if ok && err == nil {
			if first, double := lines[rule.Name]; double {
				err = &FieldError{"rule", rule.Name, "is in line " + strconv.Itoa(first) + " already"}
			} else if len(rules) >= MaxRules {
				err = tooMany(rule.Name)
			}
		}
		if err != nil {
			return nil, &FileError{file, number, err}
		}
		if ok {
			rule.Name = strings.Clone(rule.Name) // and does not keep the text
			rule.TX, rule.RX = same.one(rule.TX), same.one(rule.RX)
			lines[rule.Name] = number
			rules = append(rules, rule)
		}
	}
	return rules, nil
}

// policies are policies that rules share: many rules have few policies.
type policies map[Policy]*Policy

// one returns a policy that is equal to p, which may be nil.
func (s policies) one(p *Policy) *Policy {
	if p == nil {
		return nil
	}
	if known, there := s[*p]; there {
		return known
	}
	s[*p] = p
	return p
}

// parseLine reads a line. ok is false if it has no rule.
func parseLine(line string) (r Rule, ok bool, err error) {
	if len(line) > maxLine {
		return Rule{}, false, &FieldError{"line", line, "must not be longer than " + strconv.Itoa(maxLine) + " bytes"}
	}
	line, _, _ = strings.Cut(line, "#")
	words := strings.Fields(line)
	if len(words) == 0 {
		return Rule{}, false, nil
	}
	name, named := strings.CutSuffix(words[0], ":")
	if !named {
		return Rule{}, false, &FieldError{"rule", words[0], "must end with a colon; want NAME: MATCH tx|rx|both POLICY"}
	}
	words[0] = name
	r, err = ParseRule(words)
	return r, err == nil, err
}

// String is the text of a rules file, which ParseRules reads; "" for an empty list.
func (rs Rules) String() string {
	var text strings.Builder
	for i := range rs {
		text.WriteString(rs[i].Name + ": " + rs[i].body() + "\n")
	}
	return text.String()
}
