//go:build !race

package control

// memoryFactor is how much more memory than usual a daemon takes.
const memoryFactor = 1
