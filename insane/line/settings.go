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
	// The first opening is at SlotEpoch, and SlotMean is the mean of these lengths, at least 1; a
	// 1024th of the longest time that can be told is too long.
	SlotLength          func(k uint64) policy.Time
	SlotEpoch, SlotMean policy.Time
	// SlotPackets and SlotBytes are how much leaves at one opening at most. One packet always does.
	SlotPackets, SlotBytes uint64
}

// SettingsOf returns the settings of a program that holds from now on.
func SettingsOf(p *policy.Program, now policy.Time) Settings {
	s := Settings{
		Longest: p.MaxDelay(now), Reordering: p.Reorders(),
		Rate: p.RateBits, Overhead: int64(p.RateOverhead), Cell: p.RateCell, CellOverhead: p.RateHeader,
		QueuePackets: p.QueuePackets, QueueBytes: p.QueueBytes,
		QueueTime: policy.Time(p.QueueTime), QueueMark: policy.Time(p.QueueMark),
	}
	if p.ReorderChance != 0 {
		s.Behind = uint32(min(p.ReorderBy, 1<<32-1))
	}
	if p.SlotMin != 0 {
		s.SlotLength, s.SlotEpoch = p.SlotLength, now
		least, most := p.SlotMin, max(p.SlotMin, p.SlotMax)
		s.SlotMean = policy.Time(least/2 + most/2 + least&most&1)
		s.SlotPackets, s.SlotBytes = p.SlotPackets, p.SlotBytes
	}
	return s
}
