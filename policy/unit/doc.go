// Package unit has the types of the values in a policy text: each type parses what it
// prints. A value is read exactly or refused: there is no floating point, no rounding, no
// sign and no exponent. The error about a value that is too precise or too large says what
// is allowed, and is complete without context.
//
// Files:
//
//	decimal.go   a decimal number as it was written, and its exact multiples of a unit
//	scale.go     a decimal number with one unit behind it, of a table of units
//	number.go    Number: a whole number
//	percent.go   Percent: a share from 0 to 100 per cent, in millionths of a per cent
//	mean.go      Mean: a mean number, in thousandths
//	span.go      Span: a duration in nanoseconds
//	rate.go      Rate: bits per second, in the words of tc(8)
//	size.go      Size: bytes
//	quote.go     values in error messages
//
// All types are integers: they can be compared with == and <, and are cheap to copy.
package unit
