//go:build !race

package main

// memoryFactor is how much more memory than usual a daemon takes.
const memoryFactor = 1
