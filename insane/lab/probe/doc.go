// Package probe measures what happens to packets between two hosts. It sends numbered
// packets, records which of them arrive and when, and computes which results chance allows.
//
//	probe.go     the packets and their sender
//	receiver.go  the receiving socket, and what its kernel dropped
//	result.go    what happened to each packet
//	interval.go  how many of n packets chance lets arrive
//
// It distinguishes three kinds of missing packets: lost on the way, refused by the sender's
// kernel, and dropped by the receiver's kernel because its buffer was full.
package probe
