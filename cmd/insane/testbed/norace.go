//go:build !race

package testbed

// Million is the number of packets for tests that no packet is lost.
const Million = 1_000_000
