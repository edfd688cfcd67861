package match

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// However a list has changed, an index finds what a new table of the list finds.
func TestIndexFollowsChanges(t *testing.T) {
	const lists, changes, keys = 60, 40, 60
	rng := rand.New(rand.NewPCG(5, 6))
	random := func() Match {
		for {
			if m, err := Parse(randomMatch(rng)); err == nil {
				return m
			}
		}
	}
	kept, found := 0, 0
	for range lists {
		var list []Match
		for range smallList + rng.IntN(40) {
			list = append(list, random())
		}
		x := NewIndex(list)
		former := x.former
		for range changes {
			before := make([]int32, len(list))
			for i := range before {
				before[i] = int32(i)
			}
			for range 1 + rng.IntN(3) {
				switch at := rng.IntN(len(list) + 1); rng.IntN(7) {
				case 0, 1, 2:
					list, before = slices.Insert(slices.Clone(list), at, random()), slices.Insert(before, at, None)
				case 3, 4, 5:
					if at < len(list) {
						list, before = slices.Delete(slices.Clone(list), at, at+1), slices.Delete(before, at, at+1)
					}
				default:
					if at+1 < len(list) { // one that is there moves
						list = slices.Clone(list)
						list[at], list[at+1], before[at], before[at+1] = list[at+1], list[at], before[at+1], before[at]
					}
				}
			}
			x = x.Next(list, before)
			if x.former == former {
				kept++
			}
			former = x.former
			table := NewTable(list)
			for range keys {
				k, length := randomKey(rng)
				want, there := table.Lookup(&k, length)
				if got, ok := x.Lookup(&k, length); got != want || ok != there {
					t.Fatalf("%v of %d matches: found %d, %v, want %d, %v", k, len(list), got, ok, want, there)
				}
				if there {
					found++
				}
			}
		}
	}
	if kept < lists*changes/4 || found < lists*changes*keys/20 {
		t.Errorf("%d changes kept the table, %d keys were found: the test shows too little", kept, found)
	}
}

// A change takes in what was added before, and begins anew when that is too much.
func TestIndexBeginsAnew(t *testing.T) {
	x, list := NewIndex(nil), []Match(nil)
	anew := 0
	for i := range 3 * mostAdded {
		before := make([]int32, i+1)
		for j := range before {
			before[j] = int32(j)
		}
		before[i] = None
		list = append(slices.Clip(list), parse(t, "port "+string(rune('1'+i%9))))
		former := x.former
		x = x.Next(list, before)
		if x.former != former {
			anew++
		}
		if x.added != nil && x.added.length > mostAdded {
			t.Fatalf("%d matches were added", x.added.length)
		}
	}
	if anew != smallList+2 {
		t.Errorf("began anew %d times", anew)
	}
}

// Many tuples are not in both tables, as a data plane may have room for few.
func TestIndexRepeatsFewTuples(t *testing.T) {
	var list []Match
	var before []int32
	for i := range 200 {
		list, before = append(list, parse(t, fmt.Sprintf("dst net 128.0.0.0/%d dst port %d", 1+i%20, 1+i))), append(before, int32(i))
	}
	x := NewIndex(list)
	for i := range 20 {
		list, before = append(list, parse(t, fmt.Sprintf("dst net 64.0.0.0/%d dst port 9", 2+i))), append(before, None)
		x = x.Next(list, before)
		before[len(before)-1] = int32(len(before) - 1)
		if layers := x.Layers(); len(layers[0].Tuples())+len(layers[1].Tuples()) > manyTuples {
			t.Fatalf("%d and %d tuples", len(layers[0].Tuples()), len(layers[1].Tuples()))
		}
	}
}

// BenchmarkIndexNext changes one of 65,534 matches.
func BenchmarkIndexNext(b *testing.B) {
	list := hosts(b, MaxRules)
	x := NewIndex(list)
	before := make([]int32, len(list))
	for i := range before {
		before[i] = int32(i)
	}
	before[500] = None
	list[500], _ = Parse(strings.Fields("udp port 53"))
	for b.Loop() {
		x.Next(list, before)
	}
}
