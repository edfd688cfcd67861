//go:build race

package testbed

// Million is enough packets for the race detector to see every access; the plain build
// sends a real million.
const Million = 100_000

// MemoryFactor is how much more memory a program needs in this build: the race detector takes
// up to ten times as much (go.dev/doc/articles/race_detector).
const MemoryFactor = 10

// Race says that this build has the race detector, so that speeds mean nothing.
const Race = true
