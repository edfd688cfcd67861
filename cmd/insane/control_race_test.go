//go:build race

package main

// memoryFactor is how much more memory than usual a daemon takes: the race
// detector remembers the last accesses to every byte.
const memoryFactor = 8

// million is so many that the race detector has seen what there is to see; the
// plain build sends them all.
const million = 100_000
