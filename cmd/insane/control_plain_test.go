//go:build !race

package main

// memoryFactor is how much more memory than usual a daemon takes.
const memoryFactor = 1

// million is how many packets show that none is lost.
const million = 1_000_000
