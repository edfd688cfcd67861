//go:build race

package relay

// With the race detector everything takes ten times as long.
const packetsReplayed = 100 // of each connection, half of them in each direction
