// Package packet takes frames apart as the witness of the command verify sees them. It is pure.
//
// The device has code of its own for this (package frame). Nothing of it is used here on
// purpose: a witness that shared it would make the same mistakes.
//
//	frame.go     Frame: what is seen of a frame, and the packets in it
//	headers.go   where the headers of a frame are, and what they say to rules
//	identity.go  by what a packet is known again behind the device
//	checksum.go  whether a checksum is right
package packet
