//go:build race

package control

// memoryFactor is how much more memory than usual a daemon takes: the race
// detector remembers the last accesses to every byte.
const memoryFactor = 8
