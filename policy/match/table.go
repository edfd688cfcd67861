package match

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
	candidates []candidate
	length     int // of the list
}

// tuple has all patterns with one mask.
type tuple struct {
	mask   words
	first  int32           // the place of its first match in the list
	chains map[words]chain // what a packet has under the mask → the candidates
}

// chain are candidates, as places in the list of all candidates.
type chain struct{ first, last int32 }

// candidate is a pattern whose mask and value a packet fits. The packet fits the match if its
// numbers are in the ranges as well. Both ends belong to a range.
type candidate struct {
	rule                int32 // the place of the match in the list
	source, destination ports
	length              lengths
	next                int32 // the next candidate, which is never of an earlier match; None: this is the last one
}

// None is the place of no candidate.
const None = -1

// NewTable makes a table of a list of matches, at most MaxRules.
func NewTable(list []Match) *Table {
	t := &Table{length: len(list)}
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
	return t
}

// add adds a pattern of a match, which is not before those that are there, to a tuple.
func (t *Table) add(tuple int, rule int32, p *pattern) {
	chains, place := t.tuples[tuple].chains, int32(len(t.candidates))
	c, there := chains[p.value]
	if there {
		t.candidates[c.last].next = place
	} else {
		c.first = place
	}
	c.last = place
	chains[p.value] = c
	t.candidates = append(t.candidates, candidate{rule, p.source, p.destination, p.length, None})
}

// Lookup returns the place in the list of the first match that a packet fits. The length is
// that of its Ethernet frame in bytes, without preamble and checksum (FCS). ok is false if
// the packet fits none. Lookup allocates nothing.
func (t *Table) Lookup(k *Key, length uint32) (rule int, ok bool) {
	w := k.words()
	found := t.search(k, &w, length, nil, MaxRules)
	return int(found), found != MaxRules
}

// search is Lookup for a list in which the matches have other places; nil: the same. It
// returns the first place in front of found, or else found.
func (t *Table) search(k *Key, w *words, length uint32, places places, found int32) int32 {
	for i := range t.tuples {
		u := &t.tuples[i]
		if first, _ := places.of(u.first); first >= found {
			break
		}
		c, there := u.chains[w.and(&u.mask)]
		if !there {
			continue
		}
		for at := c.first; at != None; {
			c := &t.candidates[at]
			place, there := places.of(c.rule)
			if place >= found {
				break
			}
			if there && c.fits(k, length) {
				found = place
				break
			}
			at = c.next
		}
	}
	return found
}

// fits reports whether the numbers of a packet are in the ranges.
func (c *candidate) fits(k *Key, length uint32) bool {
	return k.SourcePort >= c.source.low && k.SourcePort <= c.source.high &&
		k.DestinationPort >= c.destination.low && k.DestinationPort <= c.destination.high &&
		length >= c.length.low && length <= c.length.high
}
