package match

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// foreign is a data plane of its own, made of the layers of an index.
type foreign struct {
	tuples     []foreignTuple
	candidates map[foreignKey]Candidate
}

type foreignTuple struct {
	Tuple
	layer  int
	number int
	places Layer
}

type foreignKey struct {
	layer, tuple, ordinal int
	value                 Words
}

func newForeign(x *Index) *foreign {
	f := &foreign{candidates: make(map[foreignKey]Candidate)}
	for i, l := range x.Layers() {
		for n, t := range l.Tuples() {
			f.tuples = append(f.tuples, foreignTuple{t, i, n, l})
		}
		count := 0
		_ = l.Candidates(func(c *Candidate) error {
			f.candidates[foreignKey{i, c.Tuple, c.Ordinal, c.Value}] = *c
			count++
			return nil
		})
		if count != l.CandidateCount() {
			panic("candidates are missing")
		}
	}
	slices.SortStableFunc(f.tuples, func(a, b foreignTuple) int { return a.First - b.First })
	return f
}

func (f *foreign) lookup(k *Key, length uint32) (found int, ok bool) {
	found = MaxRules
	words := k.Words()
	for _, t := range f.tuples {
		if t.First >= found {
			break
		}
		key := foreignKey{layer: t.layer, tuple: t.number}
		for i := range words {
			key.value[i] = words[i] & t.Mask[i]
		}
		for ; ; key.ordinal++ {
			c, there := f.candidates[key]
			if !there {
				break
			}
			place, there := t.places.Place(c.Match)
			if there && place < found && k.SourcePort >= c.SourceLow && k.SourcePort <= c.SourceHigh &&
				k.DestinationPort >= c.DestinationLow && k.DestinationPort <= c.DestinationHigh && length >= c.LengthLow && length <= c.LengthHigh {
				found = place
			}
			if !c.More {
				break
			}
		}
	}
	return found, found != MaxRules
}

// randomList is a list of so many matches.
func randomList(r *rand.Rand, n int) (list []Match) {
	for len(list) < n {
		if m, err := Parse(randomMatch(r)); err == nil {
			list = append(list, m)
		}
	}
	return list
}

// fewShapes is such a list that looks at few different fields.
func fewShapes(r *rand.Rand, n int) (list []Match) {
	forms := []string{"src host 192.0.2.%d", "udp dst port %d", "greater %d", "tcp src portrange %d-4000"}
	for range n {
		m, err := Parse(strings.Fields(fmt.Sprintf(forms[r.IntN(len(forms))], 1+r.IntN(100))))
		if err != nil {
			panic(err)
		}
		list = append(list, m)
	}
	return list
}

// The layers of an index find what it finds, also after changes.
func TestLayers(t *testing.T) {
	r, kept := rand.New(rand.NewPCG(3, 4)), 0
	for i := range 200 {
		random := []func(*rand.Rand, int) []Match{randomList, fewShapes}[i%2]
		list := random(r, 1+r.IntN(2*smallList))
		x := NewIndex(list)
		for range 3 {
			f := newForeign(x)
			for range 100 {
				k, length := randomKey(r)
				want, there := x.Lookup(&k, length)
				got, ok := f.lookup(&k, length)
				if ok != there || ok && got != want {
					t.Fatalf("%v: %d, want %d (%v)", list, got, want, there)
				}
			}
			var next []Match
			var before []int32
			for i, m := range list {
				if r.IntN(4) > 0 {
					next, before = append(next, m), append(before, int32(i))
				}
				if r.IntN(4) == 0 {
					next, before = append(next, random(r, 1)...), append(before, None)
				}
			}
			after := x.Next(next, before)
			if after.Layers()[0].Same(x.Layers()[0]) {
				kept++
			}
			list, x = next, after
		}
	}
	if kept < 50 {
		t.Errorf("only %d changes kept a layer", kept)
	}
}
