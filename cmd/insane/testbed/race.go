//go:build race

package testbed

// Million is so many that the race detector has seen what there is to see; the
// plain build sends them all.
const Million = 100_000
