package policy

import "github.com/seed-39a139a1/insane/policy/unit"

// FieldError refuses a policy text. Every error of [Parse] is one.
type FieldError struct {
	Field string // what is at fault: "policy", "percent", "time", "time ON" or "time OFF"
	Value string // the value given there, unabridged; may be empty
	Why   string // what is wrong with it, complete without context
}

// Error is one line that names the field, the value and what is wrong.
// The value is quoted, so control characters cannot break the line.
func (e *FieldError) Error() string { return e.Field + " " + unit.Quote(e.Value) + ": " + e.Why }
