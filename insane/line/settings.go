package line

import "github.com/seed-39a139a1/insane/policy"

// Settings are what the line has to know of a policy; what differs from packet to packet is in
// the Item. Zero fields are an absent fault, and with the zero value nothing waits.
type Settings struct {
	// Longest is how long a packet of this policy can wait behind the link at most. Packets
	// that are held when the settings come wait no longer than this from then on.
	Longest policy.Time
	// Reordering lets a packet with a shorter delay leave before those in front of it. Without
	// it, such a packet waits for them.
	Reordering bool

	// Rate is that of the link, in bits per second.
	Rate uint64
	// Overhead is how many bytes each packet has on the link beside its Ethernet bytes. The sum
	// is at least 0.
	Overhead int64
	// Cell is how many bytes a cell of the link carries, of which a packet takes whole ones,
	// and CellOverhead how many bytes more a cell has on the link.
	Cell, CellOverhead uint64

	// QueuePackets, QueueBytes and QueueTime are how much may wait for the link, beside the
	// packet that is on it: packets, their Ethernet bytes, and how long the newest of them
	// waits. What finds no room is refused.
	QueuePackets, QueueBytes uint64
	QueueTime                policy.Time
	// QueueMark is how long a packet may wait for the link without a congestion mark.
	QueueMark policy.Time

	// Behind is the greatest Item.Behind of this policy.
	Behind uint32

	// SlotLength returns how long after opening k the wire opens again; nil: it is always open.
	// The first opening is at SlotEpoch, and SlotMean is the mean of these lengths, at least 1.
	SlotLength          func(k uint64) policy.Time
	SlotEpoch, SlotMean policy.Time
	// SlotPackets and SlotBytes are how much leaves at one opening at most. One packet always does.
	SlotPackets, SlotBytes uint64
}
