package policy

import "strings"

// Policy is what a person asks for one direction: a list of stages, checked.
// It is an immutable value, compared with ==. The zero value is "pass", which
// relays everything.
type Policy struct {
	percent percent
	time    onOff
}

// pass is the policy without a stage, and a word that stands alone.
const pass = "pass"

// Parse reads a policy text such as "pass", "percent 80" or
// "percent 99.5 time 500ms 1s"; the package comment has the grammar. Words are
// separated by white space and case matters. The error is a *[FieldError], and
// the policy beside it is the zero Policy.
func Parse(text string) (Policy, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return Policy{}, &FieldError{"policy", text, "is empty; want " + grammar()}
	}
	if len(words) == 1 && words[0] == pass {
		return Policy{}, nil
	}
	var p Policy
	for len(words) > 0 {
		name, args := words[0], untilKeyword(words[1:])
		if err := p.set(text, name, args); err != nil {
			return Policy{}, err
		}
		words = words[1+len(args):]
	}
	return p, nil
}

// set reads one stage of the text into p.
func (p *Policy) set(text, name string, args []string) error {
	if name == pass {
		return &FieldError{"policy", text, "pass stands alone"}
	}
	s, ok := p.stage(name)
	if !ok {
		return &FieldError{"policy", name, "is not a stage; want " + grammar()}
	}
	if s.given() {
		return &FieldError{"policy", text, name + " is given twice"}
	}
	if n := s.arity(); len(args) > n {
		return &FieldError{"policy", args[n], "unexpected after " + s.usage() + "; want " + grammar()}
	} else if len(args) < n {
		return &FieldError{name, strings.Join(args, " "), "incomplete; want " + s.usage()}
	}
	return s.parse(args)
}

// untilKeyword is what stands before the next stage's name.
func untilKeyword(words []string) []string {
	for i, w := range words {
		if _, ok := new(Policy).stage(w); ok || w == pass {
			return words[:i]
		}
	}
	return words
}

// String is the canonical text: stages in fixed order, numbers without
// superfluous digits, jiffies as durations. Parse makes an equal Policy of it.
func (p Policy) String() string {
	var words []string
	for _, s := range p.given() {
		words = append(words, s.name, s.words())
	}
	if len(words) == 0 {
		return pass
	}
	return strings.Join(words, " ")
}

// Mode is the names of the stages joined by "+": "pass", "percent", "time" or
// "percent+time".
func (p Policy) Mode() string {
	var names []string
	for _, s := range p.given() {
		names = append(names, s.name)
	}
	if len(names) == 0 {
		return pass
	}
	return strings.Join(names, "+")
}

// Arguments is the canonical text without the stages' names: "80",
// "500ms 1s", "80 500ms 1s", and "" for pass.
func (p Policy) Arguments() string {
	var words []string
	for _, s := range p.given() {
		words = append(words, s.words())
	}
	return strings.Join(words, " ")
}

// Compile makes the policy executable. Phases in time begin at epoch, usually
// the moment of the change; seed decides all that is random. The same epoch
// and seed make the same program. Two directions that are to be independent
// need two seeds; [Subseed] makes them.
func (p Policy) Compile(epoch Time, seed uint64) Program {
	var prog Program
	for _, s := range p.given() {
		prog.Stages |= 1 << s.number
		s.compile(&prog, epoch, Subseed(seed, s.number))
	}
	return prog
}
