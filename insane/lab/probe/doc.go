// Package probe measures what happens to packets between two hosts. It sends numbered
// packets, records which of them arrive and when, and computes which results chance allows.
//
//	probe.go     the packets and their sender
//	receiver.go  the receiving socket, and what its kernel dropped
//	result.go    what happened to each packet
//	times.go     how long packets took, and how many came per second
//	witness.go   the packet socket that sees packets which the receiving kernel drops
//	damage.go    which bits of a packet differ from what was sent
//	counts.go    what the receiving kernel counts
//	interval.go  how many of n packets chance lets arrive
//
// It distinguishes four kinds of missing packets: lost on the way, refused by the sender's
// kernel, dropped by the receiver's kernel because its buffer was full, and, with a witness,
// dropped by the receiver's kernel because they were damaged.
package probe
