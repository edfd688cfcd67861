package match

import "github.com/seed-39a139a1/insane/policy/unit"

// FieldError refuses the text of a match. Every error of [Parse] is one.
type FieldError struct {
	Field string // what is at fault: "match", "host", "src port", "ether proto"
	Value string // the value given there, unabridged; may be empty
	Why   string // what is wrong with it, complete without context
}

// Error is one line that names the field, the value and what is wrong.
func (e *FieldError) Error() string { return e.Field + " " + unit.Quote(e.Value) + ": " + e.Why }
