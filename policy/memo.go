package policy

import "sync/atomic"

// memoFacts is the number of facts that a memo keeps. It is more than the packets that
// several processors handle at once.
const memoFacts = 128

// Memo keeps states of chains that were found: what [Program.DecideWith] would have to look
// back for again. Facts are all that it has, so that verdicts are the same with a memo, with
// an empty one and without one. It belongs to one program: another program has other facts.
// The zero Memo is empty, and nil keeps nothing. Any number of goroutines may use it.
type Memo struct{ facts [memoFacts]atomic.Uint64 }

// A fact is a word of a number plus one and the state; 0 is none. It is read and written as a
// whole. For one number the chains of a policy have different places, so that the number says
// the chain as well; another chain overwrites a fact 42 numbers later at the earliest.
const (
	factNumber = 2 // bits of a state
	chainApart = 43
	// mostRemembered is below all numbers that a fact has no room for.
	mostRemembered = 1 << 61
)

// find returns the state of a chain behind the draw of packet seq, if it is known.
func (m *Memo) find(chain, seq uint64) (state uint64, known bool) {
	if m == nil {
		return 0, false
	}
	fact := m.facts[(seq+chain*chainApart)%memoFacts].Load()
	return fact & 3, fact>>factNumber == seq+1 && seq < mostRemembered
}

// note keeps the state of a chain behind the draw of packet seq.
func (m *Memo) note(chain, seq, state uint64) {
	if m != nil && seq < mostRemembered {
		m.facts[(seq+chain*chainApart)%memoFacts].Store((seq+1)<<factNumber | state)
	}
}
