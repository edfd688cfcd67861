//go:build race

package match

// The race detector makes a look-up many times slower, and finds nothing in it that fewer
// look-ups do not show.
const raceDivisor = 20
