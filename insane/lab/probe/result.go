package probe

import "time"

// never is the time of what did not happen.
const never = time.Duration(-1)

// Result is what became of a probe's packets.
type Result struct {
	// Start is when the probe began; all times below count from it.
	Start time.Time

	Sent     int // packets the sender's kernel accepted
	Received int // packets that arrived, each counted once

	// Duplicates are arrivals of a packet that had arrived before.
	Duplicates int

	// Reordered are packets that arrived after one of a higher number, as
	// in RFC 4737 section 3.
	Reordered int

	// Strays are datagrams that were no packets of this probe.
	Strays int

	// Overflowed are packets that reached the receiving host and that its
	// kernel dropped for want of room in the receiver's buffer. They are a
	// failure of the measurement and not lost on the way.
	Overflowed int

	// Refused are packets the sender's kernel refused to send, with an error
	// of which Refusal is the first. A fault must not be seen as one of these.
	Refused int
	Refusal error

	// SentAt and ReceivedAt have the time of each packet by number: when it
	// was given to the sender's kernel, and when the receiver's kernel first
	// got it; negative if it was refused or did not arrive.
	SentAt, ReceivedAt []time.Duration

	// ReadAt has when the receiving program had each packet; negative if it did
	// not arrive. A frame that one link of a host hands to another keeps the
	// first one's stamp, so ReceivedAt may be earlier than what a device of that
	// host did to the packet. ReadAt is never earlier.
	ReadAt []time.Duration

	highest int // number of the latest packet in order, -1 at first
}

func newResult(count int) *Result {
	r := &Result{
		Start: time.Now(), ReceivedAt: make([]time.Duration, count), ReadAt: make([]time.Duration, count), highest: -1,
	}
	for i := range count {
		r.ReceivedAt[i], r.ReadAt[i] = never, never
	}
	return r
}

// Arrived reports whether packet i, counted from 0, was received.
func (r *Result) Arrived(i int) bool { return r.ReceivedAt[i] >= 0 }

// Lost is how many packets were sent and did not get to the receiving host.
func (r *Result) Lost() int { return r.Sent - r.Received - r.Overflowed }

// addArrival notes that a packet came, and when it was read.
func (r *Result) addArrival(index uint64, at, read time.Duration) {
	if index >= uint64(len(r.ReceivedAt)) {
		r.Strays++
		return
	}
	i := int(index)
	if r.Arrived(i) {
		r.Duplicates++
		return
	}
	r.Received++
	r.ReceivedAt[i], r.ReadAt[i] = max(at, 0), read
	if i < r.highest {
		r.Reordered++
	}
	r.highest = max(r.highest, i)
}

// addSent adds the sender's half.
func (r *Result) addSent(s sentPackets) {
	r.SentAt = s.at
	r.Refused, r.Refusal = s.refused, s.refusal
	r.Sent = len(s.at) - s.refused
}

// Duration is the time between the start and the last packet sent.
func (r *Result) Duration() time.Duration {
	var last time.Duration
	for _, at := range r.SentAt {
		last = max(last, at)
	}
	return last
}
