package policy

import "strings"

// cursor walks over the words of a policy text. Each stage takes words from it: first the
// required arguments, then named arguments in any order. A required argument is never the
// name of a stage. A named argument may have the name of a stage, because the stage that is
// reading asks for it first.
//
// A stage need not check for errors: the cursor keeps them. An error about the form of a
// text takes precedence over an error about a value.
type cursor struct {
	words []string // the rest of the text
	stage row      // the stage that is reading
	begun []string // the rest of the text when it began, behind its name

	incomplete bool  // an argument was missing
	refused    error // the first value that was refused
}

// more reports whether words are left.
func (c *cursor) more() bool { return len(c.words) > 0 }

// word takes the next word. The caller must know that there is one.
func (c *cursor) word() string {
	word := c.words[0]
	c.words = c.words[1:]
	return word
}

// taken returns the words that the stage has taken so far, without its name.
func (c *cursor) taken() []string { return c.begun[:len(c.begun)-len(c.words)] }

// argument reports whether another argument follows: a word that is not the name of a
// stage. A stage calls it before it takes an optional argument.
func (c *cursor) argument() bool { return c.more() && !isName(c.words[0]) }

// next reports whether the next word equals word.
func (c *cursor) next(word string) bool { return c.more() && c.words[0] == word }

// named takes the next word if it equals word, such as the name of an optional argument,
// and reports whether it did.
func (c *cursor) named(word string) bool {
	if !c.next(word) {
		return false
	}
	c.word()
	return true
}

// refuse records that the arguments taken so far do not fit together.
func (c *cursor) refuse(why string) {
	if c.refused == nil {
		c.refused = &FieldError{c.stage.name, strings.Join(c.taken(), " "), why}
	}
}

// take takes a required argument, which parse turns into a value. name is the name of the
// argument if the stage has several, and "" if it has only one. After an error the cursor
// keeps the error, and the value is zero.
func take[T any](c *cursor, name string, parse func(string) (T, error)) (value T) {
	if !c.argument() {
		c.incomplete = true
		return value
	}
	word := c.word()
	parsed, err := parse(word)
	if err == nil {
		return parsed
	}
	if c.refused == nil {
		c.refused = &FieldError{strings.TrimSpace(c.stage.name + " " + name), word, err.Error()}
	}
	return value
}

// read lets a stage read its arguments into p. The next word must then be the name of
// another stage.
func (c *cursor) read(p *Policy, r row) error {
	c.stage, c.begun = r, c.words
	s := r.settings(p)
	s.parse(c)
	_, arguments, _ := strings.Cut(s.usage(), " ")
	usage := join(" ", r.name, arguments)
	switch {
	case c.incomplete:
		return &FieldError{r.name, strings.Join(c.taken(), " "), "incomplete; want " + usage}
	case c.argument():
		return &FieldError{"policy", c.words[0], "unexpected after " + usage + "; want " + Grammar()}
	}
	return c.refused
}
