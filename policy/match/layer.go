package match

// Words has the fields of a Key, or a mask of them, as integers: a data plane with a hash table of
// its own looks them up.
type Words = [7]uint64

// Words returns the fields of k.
func (k *Key) Words() Words { return k.words() }

// Layer is a part of an Index, which stays as it is while the list changes: a data plane need not
// make its own table of it again. The zero value is an empty one.
type Layer struct {
	table  *Table
	places places
}

// Tuple is a choice of header fields.
type Tuple struct {
	Mask  Words
	First int // no candidate of the tuple is of an earlier match of the list of the Index
}

// Candidate is a way in which a packet can fit a match: what it has under the mask of the tuple is
// the value, and its numbers are in the ranges. Both ends belong to a range.
type Candidate struct {
	Tuple   int   // index in the tuples of the layer
	Value   Words // what the packet has under the mask
	Ordinal int   // 0 for the first candidate of this tuple and value, 1 for the next one
	More    bool  // there is a next one, of the same match or a later one
	Match   int   // number of the match in the layer

	SourceLow, SourceHigh           uint16
	DestinationLow, DestinationHigh uint16
	LengthLow, LengthHigh           uint32
}

// Layers returns the two layers of the index: that of a former list, and that of at most MostAdded
// matches which have come since. The first match that a packet fits is the one with the lower
// place of those that the layers find.
func (x *Index) Layers() [2]Layer {
	return [2]Layer{{x.former, x.formerPlaces}, {x.added, x.addedPlaces}}
}

// MostAdded is the most matches of the second layer.
const MostAdded = mostAdded

// Same reports whether the matches of both layers are the same, with the same numbers. Their places
// may differ.
func (l Layer) Same(other Layer) bool { return l.table == other.table }

// Len returns how many matches the layer has.
func (l Layer) Len() int {
	if l.table == nil {
		return 0
	}
	return l.table.length
}

// Place returns the place of a match of the layer in the list of the Index; ok is false if the list
// has it no more.
func (l Layer) Place(match int) (place int, ok bool) {
	at, ok := l.places.of(int32(match))
	return int(at), ok
}

// Tuples returns the tuples of the layer.
func (l Layer) Tuples() (list []Tuple) {
	if l.table == nil {
		return nil
	}
	for i := range l.table.tuples {
		first, _ := l.places.of(l.table.tuples[i].first)
		list = append(list, Tuple{Words(l.table.tuples[i].mask), int(first)})
	}
	return list
}

// Candidates calls a function for each candidate of the layer, and ends at its first error. Those
// of one tuple and value come in the order of their matches.
func (l Layer) Candidates(each func(*Candidate) error) error {
	if l.table == nil {
		return nil
	}
	for i := range l.table.tuples {
		for value, chain := range l.table.tuples[i].chains {
			c := Candidate{Tuple: i, Value: Words(value)}
			for at := chain.first; at != None; c.Ordinal++ {
				is := &l.table.candidates[at]
				c.Match, c.More = int(is.rule), is.next != None
				c.SourceLow, c.SourceHigh = is.source.low, is.source.high
				c.DestinationLow, c.DestinationHigh = is.destination.low, is.destination.high
				c.LengthLow, c.LengthHigh = is.length.low, is.length.high
				if err := each(&c); err != nil {
					return err
				}
				at = is.next
			}
		}
	}
	return nil
}

// CandidateCount returns how many candidates the layer has.
func (l Layer) CandidateCount() int {
	if l.table == nil {
		return 0
	}
	return len(l.table.candidates)
}
