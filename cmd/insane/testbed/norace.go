//go:build !race

package testbed

// Million is how many packets show that none is lost.
const Million = 1_000_000
