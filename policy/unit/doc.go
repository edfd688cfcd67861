// Package unit is the values that a policy text is made of: each type parses what
// it prints. A value is read exactly or not at all: there is no floating point, no
// rounding, no sign and no exponent. A value that is too precise or too large is
// refused, and the error says in words that need no context what is wanted.
//
// Files, one type each:
//
//	decimal.go   a decimal number as it was written, and its exact multiples of a unit
//	scale.go     a decimal number with one unit behind it, of a table of units
//	number.go    Number: a whole number
//	percent.go   Percent: a share from 0 to 100 per cent, in millionths of a per cent
//	span.go      Span: a duration in nanoseconds
//	rate.go      Rate: bits per second, in the words of tc(8)
//	size.go      Size: bytes
//
// All types are integers: they are compared with == and <, and cost nothing to copy.
package unit
