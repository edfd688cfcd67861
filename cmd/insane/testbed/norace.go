//go:build !race

package testbed

// Million is the number of packets for tests that no packet is lost.
const Million = 1_000_000

// MemoryFactor is how much more memory a program needs in this build.
const MemoryFactor = 1

// Race says that this build has the race detector, so that speeds mean nothing.
const Race = false
