package match

import "slices"

// MaxRules is the most matches of a Table.
const MaxRules = 65_534

// Table finds the first match of a list that a packet fits. It is immutable, and any number
// of goroutines may use it.
//
// It is a tuple-space search: the matches are sorted into tuples, one for each mask, that is
// for each choice of header fields. A look-up hashes the packet's key once for each tuple, so
// it does not matter how many matches look at the same fields. The tuples are in the order of
// their first matches, and the search ends where no earlier match can follow. Matches that
// differ only in ranges (portrange, greater, less) are looked at one after the other.
type Table struct {
	tuples     []tuple
	candidates []Candidate
	steps      []uint32 // the lengths that begin a range or follow one, ascending
}

// tuple has all patterns with one mask.
type tuple struct {
	mask   words
	first  int32           // the place of its first match in the list
	chains map[words]chain // what a packet has under the mask → the candidates
}

// chain are candidates, as places in the list of all candidates.
type chain struct{ first, last int32 }

// Candidate is a pattern whose mask and value a packet fits. The packet fits the match if its
// numbers are in the ranges as well. Both ends belong to a range.
type Candidate struct {
	Rule                  int32 // the place of the match in the list
	SourceLow, SourceHigh uint16
	DestinationLow        uint16
	DestinationHigh       uint16
	LengthLow, LengthHigh uint32
	Next                  int32 // the next candidate, which is never of an earlier match; None: this is the last one
}

// None is the place of no candidate.
const None = -1

// NewTable makes a table of a list of matches, at most MaxRules.
func NewTable(list []Match) *Table {
	t := new(Table)
	places := make(map[words]int) // of tuples, by mask
	for rule, m := range list {
		for _, p := range m.patterns() {
			place, there := places[p.mask]
			if !there {
				place = len(t.tuples)
				places[p.mask] = place
				t.tuples = append(t.tuples, tuple{p.mask, int32(rule), make(map[words]chain)})
			}
			t.add(place, int32(rule), &p)
		}
	}
	slices.Sort(t.steps)
	t.steps = slices.Compact(t.steps)
	return t
}

// add adds a pattern of a match, which is not before those that are there, to a tuple.
func (t *Table) add(tuple int, rule int32, p *pattern) {
	chains, place := t.tuples[tuple].chains, int32(len(t.candidates))
	c, there := chains[p.value]
	switch {
	case !there:
		c.first = place
	case t.candidates[c.last].ranges() == allRanges:
		return // no packet comes so far
	default:
		t.candidates[c.last].Next = place
	}
	c.last = place
	chains[p.value] = c
	t.candidates = append(t.candidates, Candidate{
		rule, p.source.low, p.source.high, p.destination.low, p.destination.high, p.length.low, p.length.high, None,
	})
	if p.length.low > allRanges.length.low {
		t.steps = append(t.steps, p.length.low)
	}
	if p.length.high < allRanges.length.high {
		t.steps = append(t.steps, p.length.high+1)
	}
}

// ranges returns the ranges of c.
func (c *Candidate) ranges() ranges {
	return ranges{ports{c.SourceLow, c.SourceHigh}, ports{c.DestinationLow, c.DestinationHigh}, lengths{c.LengthLow, c.LengthHigh}}
}

// Lookup returns the place in the list of the first match that a packet fits. The length is
// that of its Ethernet frame in bytes, without preamble and checksum (FCS). ok is false if
// the packet fits none. Lookup allocates nothing.
func (t *Table) Lookup(k *Key, length uint32) (rule int, ok bool) {
	const none = MaxRules
	found, w := int32(none), k.words()
	for i := range t.tuples {
		u := &t.tuples[i]
		if u.first >= found {
			break
		}
		c, there := u.chains[w.and(&u.mask)]
		if !there {
			continue
		}
		for at := c.first; at != None; {
			c := &t.candidates[at]
			if c.Rule >= found {
				break
			}
			if c.fits(k, length) {
				found = c.Rule
				break
			}
			at = c.Next
		}
	}
	return int(found), found != none
}

// fits reports whether the numbers of a packet are in the ranges.
func (c *Candidate) fits(k *Key, length uint32) bool {
	return k.SourcePort >= c.SourceLow && k.SourcePort <= c.SourceHigh &&
		k.DestinationPort >= c.DestinationLow && k.DestinationPort <= c.DestinationHigh &&
		length >= c.LengthLow && length <= c.LengthHigh
}

// SameLengths reports whether Lookup gives the same result for all packets with one key whose
// lengths are from low to high. So the packets of a super-frame, of which the last one may be
// shorter, need one look-up. If it returns false, the results may still be equal.
func (t *Table) SameLengths(low, high uint32) bool {
	at, there := slices.BinarySearch(t.steps, low)
	if there {
		at++
	}
	return at == len(t.steps) || t.steps[at] > high
}

// Entry is an element of the hash table of a Table, for those who build the same table
// elsewhere.
type Entry struct {
	Mask  int   // the place of the mask in Masks
	Key   Key   // what a packet has under the mask
	First int32 // the place of the first candidate in Candidates
}

// Masks returns the masks in the order of the search, each with the bits set that matter, and
// for each the place of the first match that has the mask.
func (t *Table) Masks() (masks []Key, first []int) {
	for i := range t.tuples {
		masks = append(masks, t.tuples[i].mask.key())
		first = append(first, int(t.tuples[i].first))
	}
	return masks, first
}

// Entries returns all entries, in no order.
func (t *Table) Entries() (entries []Entry) {
	for i := range t.tuples {
		for w, c := range t.tuples[i].chains {
			entries = append(entries, Entry{i, w.key(), c.first})
		}
	}
	return entries
}

// Candidates returns all candidates.
func (t *Table) Candidates() []Candidate { return slices.Clone(t.candidates) }
