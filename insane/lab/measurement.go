package lab

import (
	"fmt"
	"time"

	"github.com/seed-39a139a1/insane/insanely/api"

	"github.com/seed-39a139a1/insane/insane/lab/probe"
)

// maxForeign is how many packets that are not the probe's the kernel may send
// through the device during one measurement: neighbours are sought and multicast
// groups announced, and all of it is in the device's counters.
const maxForeign = 8

// measurement is what one probe saw and what the device's counters say of the same time.
type measurement struct {
	result   *probe.Result
	counters counters

	// set and ready are when the change of policy was asked for and when the
	// answer was there; the policy took effect in between.
	set, ready time.Time
}

// counters are the difference between two readings of one direction, in packets.
type counters struct {
	offered, relayed, held uint64
	dropped                uint64 // by the policy
	others                 uint64 // dropped for any other reason
	overruns               uint64
}

// between subtracts two readings.
func between(before, after api.Stats) counters {
	b := counters{
		offered:  after.Offered.Packets - before.Offered.Packets,
		relayed:  after.Relayed.Packets - before.Relayed.Packets,
		held:     after.Held.Packets,
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

// reached is how many of the probe's packets the device was offered.
func (m measurement) reached() uint64 {
	return uint64(m.result.Sent) - min(m.counters.overruns, uint64(m.result.Sent))
}

// foreign is how many packets the device was offered that the probe had not
// sent; negative if some are missing. A probe's packet is one frame, so overruns,
// which are frames, can be counted in.
func (m measurement) foreign() int64 {
	return int64(m.counters.offered+m.counters.overruns) - int64(m.result.Sent)
}

// difference is how many packets the device says it relayed beyond those that
// arrived. Foreign packets are relayed and do not arrive at the probe.
func (m measurement) difference() int64 {
	return int64(m.counters.relayed) - int64(m.result.Received)
}

// lossless reports whether the machine kept up: otherwise packets were lost that
// no policy asked to lose, and measuring again is fairer than judging.
func (m measurement) lossless() bool {
	return m.counters.overruns == 0 && m.result.Overflowed == 0
}

// judge says what is wrong whatever the policy is.
func (m measurement) judge() []string {
	var faults []string
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	r, b := m.result, m.counters
	fault(r.Refused > 0, "the sender was refused %s: %v", packets(r.Refused), r.Refusal)
	fault(r.Overflowed > 0, "the receiver was too slow for %s", packets(r.Overflowed))
	fault(b.overruns > 0, "%s overran the queue in front of insane", packets(b.overruns))
	fault(r.Duplicates > 0, "%s arrived twice", packets(r.Duplicates))
	fault(r.Reordered > 0, "%s arrived out of order", packets(r.Reordered))
	fault(r.Strays > 0, "%s arrived that nobody had sent", packets(r.Strays))
	fault(b.held > 0, "still held: %s", packets(b.held))
	fault(b.others > 0, "dropped for a reason other than the policy: %s", packets(b.others))
	fault(b.offered != b.relayed+b.held+b.dropped+b.others, "the counters do not balance")
	foreign, difference := m.foreign(), m.difference()
	fault(foreign < 0, "sent, but not in the counters: %s", packets(-foreign))
	fault(foreign > maxForeign, "in the counters, but not sent: %s", packets(foreign))
	fault(difference < 0, "arrived, but by the counters not relayed: %s", packets(-difference))
	fault(difference > max(foreign, 0), "relayed by the counters, but not arrived: %s", packets(difference))
	return faults
}
