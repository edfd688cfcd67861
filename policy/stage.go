package policy

import "fmt"

// stage is one fault with its settings in a Policy. Its zero value is absent. It is
// used while parsing, printing and compiling, never while deciding. Each stage is one
// file.
type stage interface {
	// given says whether the policy has the stage.
	given() bool
	// parse takes the arguments from the cursor. If the cursor refuses none of them,
	// given is true afterwards.
	parse(c *cursor)
	// words prints the arguments such that parse reads the same settings.
	words() string
	// compile writes the stage's fields of the program. The key is the
	// stage's own, for its random draws.
	compile(prog *Program, epoch Time, key uint64)

	// usage is how the stage is written: "time ON OFF". It may be asked of an absent
	// stage, as may summary.
	usage() string
	// summary is what the stage does, for help pages: a phrase without a full stop.
	summary() string
	// meaning says what the stage does with these settings, for a sentence.
	meaning() meaning
	// share is how much the stage loses by itself. It is false if nobody can say.
	share() (Share, bool)
}

// meaning is a stage in words with the actual numbers. A policy of one stage says
// alone. One of several says "all packets relayed", into which each stage puts its
// words; those that a stage has nothing to say with are empty.
type meaning struct {
	alone  string // "80 % of packets relayed, 20 % dropped"
	of     string // before the packets that the stages behind it leave: "80 % of"
	except string // behind them: "but each 5th"
	during string // behind "relayed": "for 1s, then none for 2s"
}

// row is a stage's place in the table of stages.
type row struct {
	name     string                // the word that begins it
	number   Verdict               // unique, from 1 to StageNumbers-1, and the same in every version
	settings func(p *Policy) stage // where it is in a policy
}

// given is the rows of the stages that the policy has, in canonical order.
func (p *Policy) given() []row {
	var given []row
	for _, r := range table {
		if r.settings(p).given() {
			given = append(given, r)
		}
	}
	return given
}

// rowOf finds a stage by its name.
func rowOf(name string) (row, bool) {
	for _, r := range table {
		if r.name == name {
			return r, true
		}
	}
	return row{}, false
}

// isName says whether a word begins a stage, or is pass.
func isName(word string) bool {
	_, ok := rowOf(word)
	return ok || word == pass
}

// stageName is the name of the stage of a number. A number that no stage has is
// "stage N".
func stageName(number uint64) string {
	for _, r := range table {
		if uint64(r.number) == number {
			return r.name
		}
	}
	return fmt.Sprintf("stage %d", number)
}

// Stages is a set of stages: bit n stands for the stage of number n. The zero value
// is the empty set.
type Stages uint64

// String names the stages of the set in canonical order, joined by ", ". A bit that no
// stage has is printed as "stage N".
func (s Stages) String() string {
	text, sep := "", ""
	add := func(number uint64) {
		if s&(1<<number) != 0 {
			text += sep + stageName(number)
			sep = ", "
			s &^= 1 << number
		}
	}
	for _, r := range table {
		add(uint64(r.number))
	}
	for number := range uint64(64) {
		add(number)
	}
	return text
}
