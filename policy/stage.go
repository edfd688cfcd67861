package policy

import (
	"fmt"
	"strings"
)

// stage is one row of the table of stages: what a policy text can name, and
// where its settings are in one Policy.
type stage struct {
	name   string // the word that begins it
	args   string // names of its arguments, as many words as there must be
	number uint64 // of its random key and of its bit in Stages, 1 to 63; unique, and the same in every version
	settings
}

// settings is what a stage keeps in a Policy. Its zero value is absent. It is
// used while parsing, printing and compiling, never while deciding.
type settings interface {
	// given says whether the policy has the stage.
	given() bool
	// parse reads exactly as many arguments as the stage's row names, and
	// makes given true, or returns a *FieldError.
	parse(args []string) error
	// words prints the arguments such that parse reads the same settings.
	words() string
	// compile writes the stage's fields of the program. The key is the
	// stage's own, for its random draws.
	compile(prog *Program, epoch Time, key uint64)
}

// stages is the table of all stages, in canonical order, with p's settings.
func (p *Policy) stages() []stage {
	return []stage{
		{"percent", "N", 1, &p.percent},
		{"time", "ON OFF", 2, &p.time},
	}
}

// given is the stages that the policy has.
func (p *Policy) given() []stage {
	var given []stage
	for _, s := range p.stages() {
		if s.settings.given() {
			given = append(given, s)
		}
	}
	return given
}

// stage finds a stage by its name.
func (p *Policy) stage(name string) (stage, bool) {
	for _, s := range p.stages() {
		if s.name == name {
			return s, true
		}
	}
	return stage{}, false
}

// arity is how many arguments the stage takes.
func (s stage) arity() int { return len(strings.Fields(s.args)) }

// usage is how the stage is written.
func (s stage) usage() string { return s.name + " " + s.args }

// grammar is what a policy may be, for error messages.
func grammar() string {
	forms := []string{pass}
	for _, s := range new(Policy).stages() {
		forms = append(forms, s.usage())
	}
	last := len(forms) - 1
	return strings.Join(forms[:last], ", ") + " or " + forms[last]
}

// Stages is a set of stages: bit n stands for the stage of number n. The zero value
// is the empty set.
type Stages uint64

// String names the stages of the set in canonical order, joined by ", ". A bit that no
// stage has is printed as "stage N".
func (s Stages) String() string {
	var names []string
	for _, row := range new(Policy).stages() {
		if s&(1<<row.number) != 0 {
			names = append(names, row.name)
			s &^= 1 << row.number
		}
	}
	for n := range 64 {
		if s&(1<<n) != 0 {
			names = append(names, fmt.Sprintf("stage %d", n))
		}
	}
	return strings.Join(names, ", ")
}
