package unit

import "strconv"

// maxShown is the most bytes of a value that an error repeats, so that a long or binary
// text cannot flood a terminal or a log.
const maxShown = 64

// Quote returns a value as errors show it: in quotes, so that control characters cannot break
// the line, and cut off if it is long.
func Quote(value string) string {
	if len(value) > maxShown {
		return strconv.Quote(value[:maxShown]) + "…"
	}
	return strconv.Quote(value)
}
