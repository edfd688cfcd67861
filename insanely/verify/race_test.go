//go:build race

package verify

// raced is true if the race detector watches, which makes everything many times slower.
const raced = true
