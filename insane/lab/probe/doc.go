// Package probe measures what becomes of packets between two hosts: it sends
// numbered ones, notes which arrive and when, and says what chance allows.
//
//	probe.go     the packets and their sender
//	receiver.go  the receiving socket, and what its kernel dropped
//	result.go    what became of each packet
//	interval.go  how many of n packets chance lets arrive
//
// A packet that is lost on the way is told apart from one that the sender's kernel
// refused and from one that the receiver's kernel had no room for.
package probe
