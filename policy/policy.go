package policy

import "strings"

// pass is the policy without a stage, and a word that stands alone.
const pass = "pass"

// Parse reads a policy text such as "pass", "percent 80" or "percent 99.5 time 500ms 1s";
// the package comment has the grammar. White space separates words, and case matters. The
// error is a *[FieldError]; then the Policy is the zero Policy.
func Parse(text string) (Policy, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return Policy{}, &FieldError{"policy", text, "is empty; want " + Grammar()}
	}
	if len(words) == 1 && words[0] == pass {
		return Policy{}, nil
	}
	c := cursor{words: words}
	var p Policy
	for c.more() {
		if err := p.read(text, &c); err != nil {
			return Policy{}, err
		}
	}
	return p.complete()
}

// complete returns p if every stage has the other stages that it needs.
func (p Policy) complete() (Policy, error) {
	for _, r := range p.given() {
		s := r.settings(&p)
		if n, ok := s.(needy); ok {
			if why := n.lacks(&p); why != "" {
				return Policy{}, &FieldError{r.name, s.words(), why}
			}
		}
	}
	return p, nil
}

// read reads one stage of the text into p.
func (p *Policy) read(text string, c *cursor) error {
	name := c.word()
	if name == pass {
		return &FieldError{"policy", text, "pass stands alone"}
	}
	r, ok := rowOf(name)
	switch {
	case !ok:
		return &FieldError{"policy", name, "is not a stage; want " + Grammar()}
	case r.settings(p).given() && r.name != name:
		return &FieldError{"policy", text, name + " is another way to write " + r.name + ", which is given"}
	case r.settings(p).given():
		return &FieldError{"policy", text, name + " is given twice"}
	}
	r.name = name // errors say it as it was written
	return c.read(p, r)
}

// String is the canonical text: stages in fixed order, numbers without
// superfluous digits, jiffies as durations. Parse makes an equal Policy of it.
func (p Policy) String() string {
	return p.print(" ", func(r row, s stage) string { return join(" ", r.name, s.words()) }, pass)
}

// Mode returns the names of the stages, joined by "+": "pass", "percent", "time" or
// "percent+time".
func (p Policy) Mode() string {
	return p.print("+", func(r row, _ stage) string { return r.name }, pass)
}

// Arguments returns the canonical text without the names of the stages: "80", "500ms 1s",
// "80 500ms 1s", and "" for pass.
func (p Policy) Arguments() string {
	return p.print(" ", func(_ row, s stage) string { return s.words() }, "")
}

// print joins the results of say for each stage of the policy. It returns none if the
// policy has no stage.
func (p Policy) print(sep string, say func(row, stage) string, none string) string {
	var words []string
	for _, r := range p.given() {
		words = append(words, say(r, r.settings(&p)))
	}
	if len(words) == 0 {
		return none
	}
	return join(sep, words...)
}

// Compile makes a program of the policy. Phases in time begin at epoch, which is usually
// the moment of the change; seed determines all random decisions. The same epoch and seed
// make the same program. Two directions whose losses should be independent need two seeds;
// [Subseed] makes them.
func (p Policy) Compile(epoch Time, seed uint64) Program {
	return p.CompileAt(Start{Epoch: epoch, Seed: seed})
}

// Start says where a program begins.
type Start struct {
	Epoch Time   // phases in time begin here
	Seed  uint64 // determines all random decisions
	First uint64 // the number of the first packet; lists of packets count from it
}

// CompileAt makes a program of the policy for packets that are numbered from any number on.
// Compile is for those that are numbered from 0 on.
func (p Policy) CompileAt(start Start) Program {
	var prog Program
	for _, r := range p.given() {
		prog.Stages |= 1 << r.number
		s := r.settings(&p)
		s.compile(&prog, start.Epoch, Subseed(start.Seed, uint64(r.number)))
		if b, ok := s.(beginner); ok {
			b.begin(&prog, start.First)
		}
	}
	return prog
}
