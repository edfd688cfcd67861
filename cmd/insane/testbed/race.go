//go:build race

package testbed

// Million is enough packets for the race detector to see every access; the plain build
// sends a real million.
const Million = 100_000
