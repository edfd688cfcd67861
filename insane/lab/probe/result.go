package probe

import (
	"math"
	"time"
)

// never stands for the time of an event that did not happen.
const never = time.Duration(-1)

// Result says what happened to the packets of a probe.
type Result struct {
	// Start is when the probe began; all times below count from it.
	Start time.Time

	Sent     int // packets the sender's kernel accepted
	Received int // packets that arrived, each counted once

	// Duplicates counts arrivals of packets that had arrived before.
	Duplicates int

	// Reordered counts packets that arrived after a packet with a higher number, as in RFC
	// 4737 section 3.
	Reordered int

	// Strays counts datagrams that are no packets of this probe.
	Strays int

	// Overflowed counts packets that reached the receiving host, but that its kernel
	// dropped because the receiver's buffer was full. They are a failure of the
	// measurement, and not lost on the way.
	Overflowed int

	// Rejected counts packets that reached the receiving host, but that its kernel dropped
	// because a header or a checksum was wrong. Only a probe with a witness knows it.
	Rejected int

	// Damage is what the witness has seen, if the probe has one.
	Damage Damage

	// Refused counts packets that the sender's kernel refused to send; Refusal is the first
	// error. A fault of the device must not appear here.
	Refused int
	Refusal error

	// SentAt and ReceivedAt have the times of each packet, by its number: when the sender's
	// kernel got it from the sender, and when the receiver's kernel first got it. The value
	// is negative if the packet was refused or did not arrive.
	SentAt, ReceivedAt []time.Duration

	// ReadAt has when the receiving program read each packet; negative if it did not
	// arrive. If one link of a host passes a frame to another link, the frame keeps its
	// first time stamp. So ReceivedAt may be earlier than the time at which a device of
	// that host handled the packet. ReadAt is never earlier.
	ReadAt []time.Duration

	highest int // number of the latest packet in order, -1 at first
}

func newResult(count int) *Result {
	r := &Result{
		Start: now(), ReceivedAt: make([]time.Duration, count), ReadAt: make([]time.Duration, count), highest: -1,
	}
	for i := range count {
		r.ReceivedAt[i], r.ReadAt[i] = never, never
	}
	return r
}

// now returns the time. The kernel stamps packets by the wall clock, and the sender's times are
// by the monotonic one. time.Now reads first the wall clock and then the other; the process can
// lose its processor in between. So the closest of several pairs of readings counts.
func now() (best time.Time) {
	const tries = 10
	shortest := time.Duration(math.MaxInt64)
	for range tries {
		before := time.Now()
		t := time.Now()
		if took := time.Since(before); took < shortest {
			best, shortest = t, took
		}
	}
	return best
}

// Arrived reports whether packet i, counted from 0, was received.
func (r *Result) Arrived(i int) bool { return r.ReceivedAt[i] >= 0 }

// Lost returns how many packets were sent and did not reach the receiving host.
func (r *Result) Lost() int { return r.Sent - r.Received - r.Overflowed - r.Rejected }

// addArrival records that a packet arrived, and when it was read.
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

// addSent adds what the sender knows.
func (r *Result) addSent(s sentPackets) {
	r.SentAt = s.at
	r.Refused, r.Refusal = s.refused, s.refusal
	r.Sent = len(s.at) - s.refused
}

// Duration returns the time between the start and the last packet sent.
func (r *Result) Duration() time.Duration {
	var last time.Duration
	for _, at := range r.SentAt {
		last = max(last, at)
	}
	return last
}
