package lab

import (
	"fmt"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// maxForeign is how many packets, besides those of the probe, the kernel may send through
// the device during one measurement: for neighbour discovery and reports of multicast
// groups. The device counts them too.
const maxForeign = 8

// queueStage is the name of the stage that loses what finds the queue of a link full.
const queueStage = "queue"

// measurement is the result of one probe, and the device's counters for the same time.
type measurement struct {
	result   *probe.Result
	counters counters

	// set is when the change of policy was requested, and ready is when the answer arrived.
	// The policy took effect in between.
	set, ready time.Time
}

// counters are the difference between two readings of one direction, in packets.
type counters struct {
	offered, relayed, held uint64
	dropped                uint64 // dropped by the policy
	queued                 uint64 // of these, by the queue of a link
	others                 uint64 // dropped for any other reason
	damaged                uint64
	overruns               uint64
}

// between subtracts two readings.
func between(before, after api.Stats) counters {
	b := counters{
		offered:  after.Offered.Packets - before.Offered.Packets,
		relayed:  after.Relayed.Packets - before.Relayed.Packets,
		held:     after.Held.Packets,
		queued:   after.Stages[queueStage].Packets - before.Stages[queueStage].Packets,
		damaged:  after.Damaged.Packets - before.Damaged.Packets,
		overruns: after.Overruns - before.Overruns,
	}
	for reason, count := range after.Dropped {
		n := count.Packets - before.Dropped[reason].Packets
		if reason == api.DropPolicy {
			b.dropped += n
		} else {
			b.others += n
		}
	}
	return b
}

// reached returns how many of the probe's packets reached the device.
func (m measurement) reached() uint64 {
	return uint64(m.result.Sent) - min(m.counters.overruns, uint64(m.result.Sent))
}

// foreign returns how many packets reached the device that the probe had not sent; it is
// negative if some are missing. Overruns count frames, but they can be added, because a
// packet of the probe is one frame.
func (m measurement) foreign() int64 {
	return int64(m.counters.offered+m.counters.overruns) - int64(m.result.Sent)
}

// difference returns how many packets the device says it relayed, minus those that arrived or
// were refused by the receiving kernel because they were damaged. The device relays foreign
// packets, but they do not arrive at the probe.
func (m measurement) difference() int64 {
	return int64(m.counters.relayed) - int64(m.result.Received+m.result.Rejected)
}

// lossless reports whether the machine was fast enough. Otherwise packets were lost that
// the policy did not drop, and the measurement must be repeated.
func (m measurement) lossless() bool {
	return m.counters.overruns == 0 && m.result.Overflowed == 0
}

// faults are sentences about a measurement that is not as it was to be.
type faults []string

// add adds a sentence if something is wrong.
func (f *faults) add(wrong bool, format string, args ...any) {
	if wrong {
		*f = append(*f, fmt.Sprintf(format, args...))
	}
}

// judge lists the faults that do not depend on the policy.
func (m measurement) judge() []string {
	var found faults
	r, b := m.result, m.counters
	found.add(r.Refused > 0, "the sender was refused %s: %v", packets(r.Refused), r.Refusal)
	found.add(r.Overflowed > 0, "the receiver was too slow for %s", packets(r.Overflowed))
	found.add(b.overruns > 0, "%s overran the queue in front of insane", packets(b.overruns))
	found.add(r.Duplicates > 0, "%s arrived twice", packets(r.Duplicates))
	found.add(r.Reordered > 0, "%s arrived out of order", packets(r.Reordered))
	found.add(r.Strays > 0, "%s arrived that nobody had sent", packets(r.Strays))
	found.add(b.held > 0, "still held: %s", packets(b.held))
	found.add(b.others > 0, "dropped for a reason other than the policy: %s", packets(b.others))
	found.add(b.offered != b.relayed+b.held+b.dropped+b.others, "the counters do not balance")
	foreign, difference := m.foreign(), m.difference()
	found.add(foreign < 0, "sent, but not in the counters: %s", packets(-foreign))
	found.add(foreign > maxForeign, "in the counters, but not sent: %s", packets(foreign))
	found.add(difference < 0, "arrived, but by the counters not relayed: %s", packets(-difference))
	found.add(difference > max(foreign, 0), "relayed by the counters, but not arrived: %s", packets(difference))
	return found
}
