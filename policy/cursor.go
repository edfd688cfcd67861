package policy

import "strings"

// cursor walks over the words of a policy text. Each stage takes from it what it
// understands: first the arguments that it must have, then named ones in any way it
// likes. An argument that must be there is never a stage's name; a named argument may
// be called like a stage, since the stage that reads asks for it first.
//
// A stage need not look at errors: they are kept, and what is wrong with the form of a
// text is said before what is wrong with a value.
type cursor struct {
	words []string // what is left of the text
	stage row      // the stage that reads
	taken []string // the words that it has taken so far, without its name

	incomplete bool  // an argument was missing
	refused    error // the first value that was refused
}

// more says whether anything is left.
func (c *cursor) more() bool { return len(c.words) > 0 }

// word takes the next word. There must be one.
func (c *cursor) word() string {
	word := c.words[0]
	c.words = c.words[1:]
	return word
}

// argument says whether another argument follows: a word that begins no other stage.
// An optional argument is asked for so.
func (c *cursor) argument() bool { return c.more() && !isName(c.words[0]) }

// named takes the next word if it is that one, such as the name of an optional
// argument, and says whether it was.
func (c *cursor) named(word string) bool {
	if !c.more() || c.words[0] != word {
		return false
	}
	c.taken = append(c.taken, c.word())
	return true
}

// refuse says that the arguments taken so far cannot be together.
func (c *cursor) refuse(why string) {
	if c.refused == nil {
		c.refused = &FieldError{c.stage.name, strings.Join(c.taken, " "), why}
	}
}

// take takes an argument that must be there, as a value that parse reads. name is what
// the argument is called beside others of its stage, and "" if it is the only one. If
// something is wrong, the cursor keeps the error and the value is zero.
func take[T any](c *cursor, name string, parse func(string) (T, error)) (value T) {
	if !c.argument() {
		c.incomplete = true
		return value
	}
	word := c.word()
	c.taken = append(c.taken, word)
	parsed, err := parse(word)
	if err == nil {
		return parsed
	}
	if c.refused == nil {
		c.refused = &FieldError{strings.TrimSpace(c.stage.name + " " + name), word, err.Error()}
	}
	return value
}

// read lets a stage read its arguments into p. What follows them must be another stage.
func (c *cursor) read(p *Policy, r row) error {
	c.stage, c.taken = r, nil
	s := r.settings(p)
	s.parse(c)
	switch {
	case c.incomplete:
		return &FieldError{r.name, strings.Join(c.taken, " "), "incomplete; want " + s.usage()}
	case c.argument():
		return &FieldError{"policy", c.words[0], "unexpected after " + s.usage() + "; want " + Grammar()}
	}
	return c.refused
}
