package match

import "slices"

// Index finds the first match of a list that changes. It is immutable and may be used like a
// Table; after a change, Next makes another one in a small part of the time that a Table takes.
// It has a table of a former list, and a table of the matches that were added since.
type Index struct {
	former, added             *Table
	formerPlaces, addedPlaces places
	length                    int // of the list
}

// places are the places of the matches of a table in a list. A negative one is the complement
// of the place of the next match, for a match that the list has no more. In front of each place
// are smaller ones; nil means that each match has its place in the table.
type places []int32

// of returns the place of match i, or the place behind it if the list has it no more.
func (p places) of(i int32) (place int32, there bool) {
	switch {
	case p == nil:
		return i, true
	case p[i] < 0:
		return ^p[i], false
	}
	return p[i], true
}

// mostAdded is how many matches an Index has beside those of its former list: they cost a
// look-up more time.
const mostAdded = 512

// smallList is how many matches a list has for which Next always begins anew: that takes little
// time, and tuples that both tables have cost each look-up.
const smallList = 64

// NewIndex makes an index of a list of matches, at most MaxRules.
func NewIndex(list []Match) *Index { return &Index{former: NewTable(list), length: len(list)} }

// Next returns an index of another list. before has for each match of that list its place in
// the list of x if it is the same match, or None.
func (x *Index) Next(list []Match, before []int32) *Index {
	next, ok := x.next(list, before)
	if !ok || len(list) <= smallList {
		return NewIndex(list)
	}
	return next
}

// next is Next; ok is false if too much is new, too little is left, or it is in another order.
func (x *Index) next(list []Match, before []int32) (next *Index, ok bool) {
	here := make([]int32, x.length) // of each match of the list of x, the place in the new list
	for i := range here {
		here[i] = None
	}
	last := int32(None)
	var fresh []Match
	var freshPlaces places
	for i, b := range before {
		if b == None {
			continue
		}
		if b <= last {
			return nil, false
		}
		last, here[b] = b, int32(i)
	}
	next = &Index{former: x.former, length: len(list)}
	next.formerPlaces = moved(x.former.length, x.formerPlaces, here, len(list))
	in := make([]bool, len(list)) // the former table has it
	for _, place := range next.formerPlaces {
		if place >= 0 {
			in[place] = true
		}
	}
	for i := range list {
		if in[i] {
			continue
		}
		if len(fresh) == mostAdded {
			return nil, false
		}
		fresh, freshPlaces = append(fresh, list[i]), append(freshPlaces, int32(i))
	}
	if len(list)-len(fresh) < x.former.length/2 {
		return nil, false
	}
	if len(fresh) > 0 {
		next.added, next.addedPlaces = NewTable(fresh), freshPlaces
	}
	return next, !next.repeats()
}

// manyTuples are so many that those which both tables have are to be one.
const manyTuples = 24

// repeats reports whether there are many tuples, and both tables have one of them.
func (x *Index) repeats() bool {
	if x.added == nil || len(x.former.tuples)+len(x.added.tuples) <= manyTuples {
		return false
	}
	return slices.ContainsFunc(x.added.tuples, func(t tuple) bool {
		return slices.ContainsFunc(x.former.tuples, func(f tuple) bool { return f.mask == t.mask })
	})
}

// moved returns the places of the n matches of a table in a new list, from those in the list
// before and from the places to which these have moved; None: it is no more.
func moved(n int, former places, here []int32, length int) places {
	p := make(places, n)
	behind := int32(length)
	for i := n - 1; i >= 0; i-- {
		place, there := former.of(int32(i))
		if there && here[place] != None {
			behind = here[place]
			p[i] = behind
		} else {
			p[i] = ^behind
		}
	}
	return p
}

// Lookup is that of a Table.
func (x *Index) Lookup(k *Key, length uint32) (rule int, ok bool) {
	w := k.words()
	found := x.former.search(k, &w, length, x.formerPlaces, MaxRules)
	if x.added != nil {
		found = x.added.search(k, &w, length, x.addedPlaces, found)
	}
	return int(found), found != MaxRules
}
