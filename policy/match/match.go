package match

import (
	"slices"
	"strings"

	"github.com/seed-39a139a1/insane/policy/unit"
)

// Match says which packets a rule is for. It is the checked form of a text and immutable. The
// zero value is "any", which every packet fits.
type Match struct {
	terms []term // all must fit; in canonical order, each once
}

// Words that join others.
const (
	wordAny = "any"
	wordAnd = "and"
)

// maxBothSides is the most terms of a match that look at both sides of a packet. Each of them
// doubles the patterns.
const maxBothSides = 4

// Parse reads the words of a match, such as "tcp", "host", "10.1.2.3"; the package comment
// has the grammar. The error is a *[FieldError]; then the Match is the zero Match.
func Parse(words []string) (Match, error) {
	if len(words) == 0 {
		return Match{}, &FieldError{"match", "", "is empty; want " + Grammar()}
	}
	if len(words) == 1 && words[0] == wordAny {
		return Match{}, nil
	}
	var m Match
	fitting := []pattern{{ranges: allRanges}}
	for r := (reader{rest: words}); ; {
		t, err := r.term()
		if err != nil {
			return Match{}, err
		}
		if fitting = narrow(fitting, t); len(fitting) == 0 {
			return Match{}, &FieldError{"match", r.said(), m.contradicts()}
		}
		if m = m.with(t); m.bothSides() > maxBothSides {
			return Match{}, &FieldError{"match", r.said(), "there are more than " +
				unit.Number(maxBothSides).String() + " parts without src or dst"}
		}
		if !r.more() {
			return m, nil
		}
		if r.next(wordAnd) && !r.more() {
			return Match{}, &FieldError{"match", wordAnd, oneMissing}
		}
	}
}

// contradicts says why a term cannot be added to m.
func (m Match) contradicts() string {
	if len(m.terms) == 0 {
		return "no packet fits it"
	}
	return "no packet fits it and " + unit.Quote(m.String())
}

// with returns m with another term.
func (m Match) with(t term) Match {
	at, there := slices.BinarySearchFunc(m.terms, t, term.compare)
	if there {
		return m
	}
	return Match{slices.Insert(slices.Clip(m.terms), at, t)}
}

// bothSides returns how many terms look at both sides of a packet.
func (m Match) bothSides() (n int) {
	for _, t := range m.terms {
		if t.kind.sided() && t.side == eitherSide {
			n++
		}
	}
	return n
}

// String is the canonical text: the words in fixed order, each once. Parse makes an equal
// Match of its words.
func (m Match) String() string {
	if len(m.terms) == 0 {
		return wordAny
	}
	var texts []string
	for _, t := range m.terms {
		texts = append(texts, t.String())
	}
	return strings.Join(texts, " ")
}

// patterns returns the ways in which a packet can fit, at least one.
func (m Match) patterns() []pattern {
	fitting := []pattern{{ranges: allRanges}}
	for _, t := range m.terms {
		fitting = narrow(fitting, t)
	}
	return fitting
}

// narrow returns the patterns of what fits one of these patterns and the term. It returns
// none if no packet can fit.
func narrow(fitting []pattern, t term) (narrower []pattern) {
	for _, side := range t.sides() {
		wanted := t.pattern(side)
		for i := range fitting {
			if both, ok := fitting[i].and(&wanted); ok && !slices.Contains(narrower, both) {
				narrower = append(narrower, both)
			}
		}
	}
	return narrower
}

// Equal reports whether both are the same match: they are printed alike.
func (m Match) Equal(other Match) bool {
	same := len(m.terms) > 0 && len(m.terms) == len(other.terms) && &m.terms[0] == &other.terms[0]
	return same || slices.Equal(m.terms, other.terms)
}

// NamesNeighbours reports whether the match names messages by which the hosts of a link find
// each other: arp, nd, or the Ethernet type of ARP. A rule with such a match judges them, which
// no other rule does.
func (m Match) NamesNeighbours() bool {
	return slices.ContainsFunc(m.terms, func(t term) bool {
		return t.kind == kindND || t.kind == kindEtherType && t.low == etherARP
	})
}
