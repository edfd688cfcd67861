//go:build !race

package relay

const packetsReplayed = 500 // of each connection, half of them in each direction
