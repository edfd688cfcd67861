// Package line is where packets wait. A line is one direction's: the relay pushes what its
// policy does not lose, and pops what is due. It does no I/O, reads no clock and starts no
// goroutine, so a test can run through a year in a second.
//
// A packet meets the faults in this order, each of them only if the policy has it:
//
//	link    takes the time that the rate of the link gives it, one packet after the other.
//	        What waits for the link is the queue: what finds it full is refused
//	wait    waits for the delay of its verdict. Order is kept, unless the settings say otherwise
//	aside   lets as many later packets pass as its verdict says
//	gate    leaves when the wire opens, if that is only now and then
//
// The relay uses it so, and reads nothing while something is due:
//
//	for part, ok := l.Pop(now); ok; part, ok = l.Pop(now) {
//		// write part.Frame; several of them at once
//	}
//	l.Release()
//	until, some := l.Next() // read until then, and Push what came
//
// # Laws
//
// Nothing leaves early: a packet leaves at its time or later, and the first of several at the
// time of the last. All times are computed from arrivals, never from the moment of a call. So
// what leaves, in which order and at which times does not depend on when Pop is called, as
// long as each frame is pushed before something later is popped.
//
// A super-frame is held once. Where its packets have different times, it leaves in parts: all
// packets that the link takes within 50 microseconds are one part.
//
// The fraction of a nanosecond that a rate leaves over is carried on to the next packet, so that a link
// never drifts.
//
// # Files
//
//	line.go      Item, Part, Line, Push
//	leave.go     Next, Pop, Release
//	change.go    Set: what a change means for packets that are held
//	settings.go  Settings: what of a policy the line needs
//	link.go      the link: when the packet at its head has left
//	queue.go     how many packets the queue of the link has room for
//	wait.go      the delay: a ring for what is in order, a heap for the rest
//	aside.go     packets that others overtake
//	gate.go      the wire that opens now and then
//	rate.go      bits and times, exactly
//	ring.go      a queue in blocks of memory
//	heap.go      a heap of four children each
//	memory.go    the budget of memory that the lines of a device share
//	store.go     the bytes of frames, in chunks
//
// Nothing is allocated per packet once the line has been as long before. What a peak has
// needed is given back when it is over.
package line
