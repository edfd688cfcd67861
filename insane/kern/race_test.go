//go:build race

package kern

// Under the race detector everything takes ten times as long, and what it looks
// for shows in few.
const raceDivisor = 10
