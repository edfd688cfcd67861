//go:build race

package policy

// Under the race detector a decision takes a hundred times as long, and what
// it looks for shows in few. Rates and edges are judged in runs without it.
const raceDivisor = 50
