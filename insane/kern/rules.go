package kern

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/seed-39a139a1/insane/policy/match"
)

// Rules are the rules of a direction, as the programs look them up. The zero value is none.
type Rules struct {
	Version        uint64       // says which rules these are, to Carry and Leave; 0: there are none
	Index          *match.Index // finds the place of a rule
	NameNeighbours bool         // some name messages of neighbours: the relay judges these messages
	Left           bool         // what fits no rule is the relay's
}

// The sizes of rules.h.
const (
	maxTuples = 32    // of a direction
	turns     = 2     // per direction
	layers    = 2     // per direction
	maxWords  = 66560 // per direction
)

// Parts of a word of rules.h.
const (
	placeShift = 32
	gone       = 0xfffff
	left       = 0xfffff
)

// ErrTuples says that rules look at too many different choices of header fields.
var ErrTuples = fmt.Errorf("rules: they look at more than %d different choices of header fields", maxTuples)

// ErrFilter says that the kernel limits filters of sockets to a size that leaves no room for rules.
var ErrFilter = errors.New("rules: a filter that looks them up is too big for this kernel (before Linux 6.7)")

// sharedTuple is struct tuple of rules.h.
type sharedTuple struct {
	mask                        match.Words
	first, table, number, words uint64
	seed, filter                uint64
}

// lookup is what the maps of a direction have of its rules.
type lookup struct {
	version uint64 // while the direction is open, these rules are in force
	turn    int    // of the tuples
	tuples  int    // how many
	layers  [layers]match.Layer
	turns   [layers]int // of the table of each layer
	digests [layers]digests
	words   []int32 // of each rule, by place, the index of its word
}

// first returns the index of the first tuple of a direction.
func (l *lookup) first(direction int) int { return (direction*turns + l.turn) * maxTuples }

// RulesInForce returns the version of the rules of which the kernel can be told; 0: none.
func (d *Direction) RulesInForce() uint64 { return d.inForce.Load() }

// exchange makes rules the ones that OpenRules names. The direction must be closed. It waits for a
// grace period: no program knows the rules before when it returns. Frames that have entered until
// then belong to rules that the kernel may carry out now, whatever they belonged to before.
func (d *Direction) exchange(r Rules) error {
	d.mu.Lock()
	retired, numbers := d.retired, d.retiredNumbers
	d.retired, d.retiredNumbers = nil, nil
	d.mu.Unlock()
	next, err := d.prepare(r)
	if err == nil {
		err = d.objects.synchronize()
	}
	for i := range d.shared().backlogs {
		b := &d.shared().backlogs[i]
		raise(&b.last, b.entered.Load())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.retired, d.retiredNumbers = append(d.retired, retired...), append(d.retiredNumbers, numbers...)
		return err
	}
	for _, slot := range retired {
		d.reclaim(slot)
	}
	d.freeNumbers = append(d.freeNumbers, numbers...)
	d.lookup = next
	d.tell()
	d.inForce.Store(next.version)
	return nil
}

// tell writes the words: each match is of the rule at its place, of which nothing is told yet. The
// caller holds d.mu.
func (d *Direction) tell() {
	words, at := &d.objects.memory.words[d.index], 0
	d.lookup.words = d.lookup.words[:0]
	for _, l := range d.lookup.layers {
		for i := range l.Len() {
			place, there := l.Place(i)
			if !there {
				words[at].Store(gone << placeShift)
				at++
				continue
			}
			words[at].Store(uint64(place) << placeShift)
			for len(d.lookup.words) <= place {
				d.lookup.words = append(d.lookup.words, 0)
			}
			d.lookup.words[place] = int32(at)
			at++
		}
	}
}

// raise sets a number to a value, if it is below.
func raise(number *atomic.Uint64, value uint64) {
	for {
		was := number.Load()
		if int64(was-value) >= 0 || number.CompareAndSwap(was, value) {
			return
		}
	}
}

// prepare puts the tables and tuples of rules beside those that programs may use.
func (d *Direction) prepare(r Rules) (lookup, error) {
	next := lookup{
		version: r.Version, turn: 1 - d.lookup.turn, turns: d.lookup.turns, digests: d.lookup.digests, words: d.lookup.words,
	}
	if r.Index != nil {
		next.layers = r.Index.Layers()
	}
	if len(next.layers[0].Tuples())+len(next.layers[1].Tuples()) > maxTuples {
		return next, ErrTuples
	}
	words := 0
	for i, l := range next.layers {
		if err := d.putTable(&next, i, l); err != nil {
			return next, err
		}
		at := (d.index*turns+next.turns[i])*layers + i
		for n, t := range l.Tuples() {
			d.sorted(&next)[next.tuples] = sharedTuple{
				mask: t.Mask, first: uint64(t.First), table: uint64(at), number: uint64(n), words: uint64(d.index*maxWords + words),
				seed: next.digests[i].seed, filter: next.digests[i].filters[n],
			}
			next.tuples++
		}
		words += l.Len()
	}
	slices.SortStableFunc(d.sorted(&next)[:next.tuples], func(a, b sharedTuple) int { return cmp.Compare(a.first, b.first) })
	return next, nil
}

// sorted returns the tuples of a look-up, which are in the order of their first rules.
func (d *Direction) sorted(l *lookup) []sharedTuple {
	return d.objects.memory.tuples[d.index*turns+l.turn][:]
}
