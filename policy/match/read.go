package match

import "strings"

// Words in front of others.
const (
	wordSource      = "src"
	wordDestination = "dst"
	wordEther       = "ether"
)

// reader reads the words of a match.
type reader struct {
	rest  []string
	begun []string // the rest when the present term began
	name  string   // of the present term, as it was written: "src port"
	usage string   // of the present term
}

// more reports whether words are left.
func (r *reader) more() bool { return len(r.rest) > 0 }

// word takes the next word. The caller must know that there is one.
func (r *reader) word() string {
	word := r.rest[0]
	r.rest = r.rest[1:]
	return word
}

// next takes the next word if it equals word, and reports whether it did.
func (r *reader) next(word string) bool {
	if !r.more() || r.rest[0] != word {
		return false
	}
	r.word()
	return true
}

// said returns the words of the present term.
func (r *reader) said() string { return strings.Join(r.begun[:len(r.begun)-len(r.rest)], " ") }

// term reads the next term. There must be a word.
func (r *reader) term() (term, error) {
	r.begun = r.rest
	ether := r.next(wordEther)
	side := eitherSide
	switch {
	case r.next(wordSource):
		side = sourceSide
	case r.next(wordDestination):
		side = destinationSide
	}
	front := r.said()
	if !r.more() {
		return term{}, &FieldError{"match", front, "incomplete; " + wantedBehind(front)}
	}
	name := r.word()
	if ether {
		name = wordEther + " " + name
	}
	f, ok := formOf(name)
	if !ok || side != eitherSide && !f.sided {
		return term{}, r.unknown(front)
	}
	if f.fixed {
		return f.term, nil
	}
	r.name, r.usage = r.said(), f.Usage
	t, err := f.read(r)
	t.side = side
	return t, err
}

// oneMissing is wrong with a word that joins parts.
const oneMissing = "joins two parts, and one is missing"

// unknown refuses the last word behind those in front of it.
func (r *reader) unknown(front string) error {
	said := r.said()
	switch said {
	case wordAny:
		return &FieldError{"match", said, "stands alone"}
	case wordAnd:
		return &FieldError{"match", said, oneMissing}
	case "or", "not", "!":
		return &FieldError{"match", said, "all parts of a match must fit; give each alternative a rule of its own"}
	}
	return &FieldError{"match", said, "is no part of a match; " + wantedBehind(front)}
}

// wantedBehind says which words may follow.
func wantedBehind(front string) string {
	switch front {
	case "":
		return "want " + Grammar()
	case wordEther:
		return "want ether [src|dst] host M or ether proto N"
	case wordSource, wordDestination:
		return "want host, net, port or portrange behind " + front
	}
	return "want " + front + " host M"
}

// take takes the argument of the present term, which parse turns into a value.
func take[T any](r *reader, parse func(string) (T, error)) (value T, err error) {
	if !r.more() {
		return value, &FieldError{"match", r.said(), "incomplete; want " + r.usage}
	}
	word := r.word()
	if value, err = parse(word); err != nil {
		return value, &FieldError{r.name, word, err.Error()}
	}
	return value, nil
}
