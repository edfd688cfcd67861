package policy

import (
	"fmt"
	"math/bits"
)

// stage is one fault with its settings in a Policy. Its zero value is an absent stage. It
// is used to parse, print and compile, never to decide. Each stage has its own file.
type stage interface {
	// given reports whether the policy has the stage.
	given() bool
	// parse takes the arguments from the cursor. If the cursor refuses none of them,
	// given is true afterwards.
	parse(c *cursor)
	// words prints the arguments such that parse reads the same settings.
	words() string
	// compile writes the stage's fields of the program. The key is for the stage's random
	// draws; no other stage has it.
	compile(prog *Program, epoch Time, key uint64)

	// usage returns the form in which the stage is written: "time ON OFF". usage and
	// summary may be called on an absent stage.
	usage() string
	// summary says what the stage does, for help pages: a phrase without a full stop.
	summary() string
	// meaning says what the stage does with these settings, for a sentence.
	meaning() meaning
	// share returns how much the stage alone loses; the zero Share if it loses nothing. It
	// returns false if that is not known.
	share() (Share, bool)
}

// needy is a stage that makes no sense without another one.
type needy interface {
	// lacks says what the policy lacks; "" if it has what the stage needs.
	lacks(p *Policy) string
}

// asker is a stage that asks for something else than losses.
type asker interface {
	// ask sets the stage's fields of a.
	ask(a *Asked)
}

// beginner is a stage that counts packets from the change on.
type beginner interface {
	// begin tells the program the number of the first packet. compile was called before.
	begin(prog *Program, first uint64)
}

// meaning describes a stage in words, with its actual numbers. If the policy has one stage
// with the field alone, that is the text. Else the text is "all packets relayed", to which
// each stage adds its words; a stage leaves a field empty if it has nothing to add.
type meaning struct {
	alone  string // "80 % of packets relayed, 20 % dropped"
	of     string // before the packets that the stages behind it leave: "80 % of"
	except string // behind them: "but each 5th"
	during string // behind "relayed": "for 1s, then none for 2s"
	then   string // what becomes of the relayed packets: "20ms later"
}

// Stage is the number of a stage, from 1 to StageNumbers-1, or Relay.
type Stage uint8

// Relay is no stage: no stage loses the packet.
const Relay Stage = 0

// String returns the name of the stage: "percent"; "relay" for Relay.
func (s Stage) String() string {
	if s == Relay {
		return "relay"
	}
	return stageName(uint64(s))
}

// row is the entry of a stage in the table of stages.
type row struct {
	name     string                // the word that begins the stage in a text
	number   Stage                 // unique, from 1 to StageNumbers-1, and the same in every version
	settings func(p *Policy) stage // finds the settings of the stage in a policy
}

// given returns the rows of the stages that the policy has, in canonical order.
func (p *Policy) given() []row {
	var given []row
	for _, r := range table {
		if r.settings(p).given() {
			given = append(given, r)
		}
	}
	return given
}

// rowOf finds a stage by its name, or the other name of percent.
func rowOf(name string) (row, bool) {
	if name == alsoLoss {
		name = table[0].name
	}
	for _, r := range table {
		if r.name == name {
			return r, true
		}
	}
	return row{}, false
}

// isName reports whether a word is the name of a stage, or pass.
func isName(word string) bool {
	_, ok := rowOf(word)
	return ok || word == pass
}

// stageName returns the name of the stage with this number; "stage N" if no stage has it.
func stageName(number uint64) string {
	if Stages(1)<<number == WithRun {
		return "run"
	}
	for _, r := range table {
		if uint64(r.number) == number {
			return r.name
		}
	}
	return fmt.Sprintf("stage %d", number)
}

// Stages is a set of stages: bit n stands for the stage with number n. The zero value is
// the empty set.
type Stages uint64

// String returns the names of the stages in the set in canonical order, joined by ", ". A
// bit that belongs to no stage is printed as "stage N", and WithRun as "run".
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
		if r.number == ByPercent {
			add(uint64(bits.TrailingZeros64(uint64(WithRun))))
		}
	}
	for number := range uint64(64) {
		add(number)
	}
	return text
}

// StageOf returns the stage with a name. It returns false if there is none.
func StageOf(name string) (Stage, bool) {
	for _, r := range table {
		if r.name == name {
			return r.number, true
		}
	}
	return Relay, false
}
