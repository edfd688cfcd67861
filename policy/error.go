package policy

import "strconv"

// FieldError refuses a policy text. Every error of [Parse] is one.
type FieldError struct {
	Field string // what is at fault: "policy", "percent", "time", "time ON" or "time OFF"
	Value string // the value given there, unabridged; may be empty
	Why   string // what is wrong with it, complete without context
}

// maxShown is the most bytes of a value that an error repeats, so that a long or binary
// text cannot flood a terminal or a log.
const maxShown = 64

// Error is one line that names the field, the value and what is wrong.
// The value is quoted, so control characters cannot break the line.
func (e *FieldError) Error() string {
	shown, more := e.Value, ""
	if len(shown) > maxShown {
		shown, more = shown[:maxShown], "…"
	}
	return e.Field + " " + strconv.Quote(shown) + more + ": " + e.Why
}
