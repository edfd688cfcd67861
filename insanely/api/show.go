package api

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The name of an interface may have any bytes but white space, '/' and ':'. Terminals, JSON
// and metrics want text. So a name is shown with \xHH for each byte that is no part of a
// printable character in UTF-8, and for a backslash. Both sides of the protocol, the log and
// the commands write names in this form, and read them in it.

// ShowName returns the form in which a name is shown. A name of printable characters
// without a backslash is shown as it is. ReadName undoes it.
func ShowName(name string) string {
	return escape(name, func(r rune) bool { return r != '\\' && unicode.IsPrint(r) })
}

// ShowText returns a text, such as a message that may contain a name, with \xHH for each
// byte that is no part of a printable character in UTF-8. It keeps backslashes and ends of
// lines.
func ShowText(text string) string {
	return escape(text, func(r rune) bool { return r == '\n' || unicode.IsPrint(r) })
}

// escape replaces by \xHH each byte of a character that keep does not want, and each byte
// that is no part of a character.
func escape(text string, keep func(rune) bool) string {
	var shown strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if invalid := r == utf8.RuneError && size == 1; keep(r) && !invalid {
			shown.WriteString(text[:size])
		} else {
			for _, b := range []byte(text[:size]) {
				fmt.Fprintf(&shown, `\x%02x`, b)
			}
		}
		text = text[size:]
	}
	return shown.String()
}

// ReadName returns the name that ShowName shows as text. A name itself, in which no \xHH
// occurs, is returned as it is.
func ReadName(text string) string {
	const length = len(`\xHH`)
	var name strings.Builder
	for {
		before, rest, found := strings.Cut(text, `\x`)
		name.WriteString(before)
		if !found {
			return name.String()
		}
		text = rest
		if b, err := strconv.ParseUint(rest[:min(len(rest), length-2)], 16, 8); err == nil && len(rest) >= length-2 {
			name.WriteByte(byte(b))
			text = rest[length-2:]
			continue
		}
		name.WriteString(`\x`)
	}
}
