package policy

// Program is a compiled policy. It has the same bytes in Go and in a BPF map:
// 64-bit integers in host order without padding. Each field belongs to the
// stage it is named after, and zero fields are an absent stage, so the zero
// Program relays everything. [Policy.Compile] makes programs; the methods are
// defined for any other values too. Times are in nanoseconds; what is called a
// chance is a [Chance], a key belongs to the draws of its stage.
//
// A program is never changed, only replaced. Any number of goroutines may use it.
type Program struct {
	// Stages is the set of stages that the program has. A data plane must not carry out a
	// program with a stage that it does not know. Fields of a stage that is not in the set
	// have no effect, or are zero.
	Stages Stages

	// PercentDrop is the chance that a packet is dropped: 0 is never,
	// 1<<32 (or more) is always.
	PercentDrop uint64
	PercentKey  uint64

	TimeEpoch uint64 // when the first relaying phase begins, a [Time]
	TimeOn    uint64 // how long each relaying phase lasts
	TimeCycle uint64 // ON + OFF; 0 means that the stage is absent

	EveryN uint64 // each Nth packet is dropped; 0 means that the stage is absent

	Run Chain // percent … run

	GE     Chain
	GEBad  uint64 // the chance that a packet is dropped in the bad state
	GEGood uint64 // the same in the good state
	GEKey  uint64 // of the draws for these two

	State Chain

	ExactlyLost    uint64 // packets of each block
	ExactlyOf      uint64 // packets in a block
	ExactlyRows    uint64 // of a table with a place for each packet of a block
	ExactlyColumns uint64
	ExactlyKey     uint64

	DropFrom  [maxRanges]uint64 // the first number of each range
	DropCount [maxRanges]uint64 // the numbers in each range

	ECNMark uint64 // not 0: what the stages above drop is marked if it can be

	DuplicateChance uint64
	DuplicateCopies uint64 // beside the packet itself
	DuplicateKey    uint64

	CorruptChance uint64
	CorruptBits   uint64 // in each packet that is damaged
	CorruptKey    uint64

	RateBits     uint64 // per second; 0 means that there is no link, and no queue
	RateOverhead uint64 // bytes of each packet on the link; below zero in two's complement
	RateCell     uint64 // bytes; a packet takes a whole number of cells; 0: no cells
	RateHeader   uint64 // bytes of each cell beside those of RateCell

	// One of the first three is the bound of the link's queue; 0 means no bound.
	QueuePackets uint64
	QueueBytes   uint64
	QueueTime    uint64 // longest wait for the link
	QueueMark    uint64 // ECN-capable packets that wait longer are marked; 0: none

	DelayTime     uint64
	DelayJitter   uint64 // 0 means that each packet waits for DelayTime
	DelayShape    uint64 // a dist.Shape
	DelaySlice    uint64 // how long one draw is valid; 0 means a draw for each packet
	DelayEpoch    uint64 // when slice 0 begins, a [Time]
	DelayKeep     uint64 // the chance that a draw is that of the packet or slice before
	DelayKey      uint64
	DelayReorders uint64 // not 0: a packet need not wait for packets that arrived before it

	ReorderChance uint64
	ReorderBy     uint64 // packets that leave before one that is reordered
	ReorderKey    uint64

	SlotMin     uint64 // shortest slot; 0 means that the stage is absent
	SlotMax     uint64 // longest slot
	SlotPackets uint64 // that leave in one slot; 0: any number
	SlotBytes   uint64 // that leave in one slot; 0: any number
	SlotKey     uint64
}

// Decide returns the verdict on packet number seq that arrived at this time. By is the
// first stage in canonical order that drops the packet. The verdict depends only on the
// program and the two arguments. The caller assigns the numbers, one to each packet of a
// direction; it may ask in any order and from any goroutine.
func (p *Program) Decide(arrival Time, seq uint64) Verdict {
	return p.DecideWith(nil, arrival, seq)
}

// DecideWith returns the same verdict as Decide, in a shorter time for losses with memory. The
// memo must have been used for this program only.
func (p *Program) DecideWith(memo *Memo, arrival Time, seq uint64) Verdict {
	by := Relay
	switch {
	case p.Stages&rare != 0:
		by = p.dropsRarely(memo, arrival, seq)
	case p.percentDrops(seq):
		by = ByPercent
	case p.everyDrops(seq):
		by = ByEvery
	case p.timeDrops(arrival):
		by = ByTime
	}
	if p.Stages&beyondLoss == 0 {
		return Verdict{Loss: Loss{By: by}}
	}
	return p.decideRest(by, arrival, seq)
}

// dropsRarely returns the stage that drops the packet, of all stages that drop.
func (p *Program) dropsRarely(memo *Memo, arrival Time, seq uint64) Stage {
	switch {
	case p.percentDrops(seq), p.runDrops(memo, seq):
		return ByPercent
	case p.geDrops(memo, seq):
		return ByGEModel
	case p.stateDrops(memo, seq):
		return ByState
	case p.everyDrops(seq):
		return ByEvery
	case p.exactlyDrops(seq):
		return ByExactly
	case p.listDrops(seq):
		return ByDrop
	case p.timeDrops(arrival):
		return ByTime
	}
	return Relay
}

// Remembers reports whether a memo shortens the decisions of the program.
func (p *Program) Remembers() bool { return p.Stages&chained != 0 }

// beyondLoss are the stages that say more of a packet than that it is lost. A program
// without them is decided in a few nanoseconds.
const beyondLoss = Stages(1<<ByECN | 1<<ByDuplicate | 1<<ByCorrupt | 1<<ByDelay | 1<<ByReorder)

// decideRest decides the rest for a packet that the stage by loses.
func (p *Program) decideRest(by Stage, arrival Time, seq uint64) Verdict {
	if by != Relay && p.ECNMark == 0 {
		return Verdict{Loss: Loss{By: by}}
	}
	v := p.Copy(arrival, seq, 0)
	v.Loss = Loss{by, by != Relay}
	v.Copies = p.copies(seq)
	return v
}

// Copy returns the verdict on a copy of packet seq that arrived at this time. The ordinal
// is from 1 to Copies of the packet's verdict. A copy is neither lost nor copied; for the
// rest it has draws of its own.
func (p *Program) Copy(arrival Time, seq uint64, ordinal uint32) Verdict {
	return Verdict{
		Change: Change{Flips: p.flips(seq, ordinal), Behind: p.behind(seq, ordinal)},
		Delay:  p.waits(arrival, seq, ordinal),
	}
}

// Uniform reports whether one verdict is valid for a frame with this many segments. If it
// returns true, Decide gives all segments the same verdict at any one time, no matter what
// their numbers are. If it returns false, the verdicts may still be equal. All segments of
// a frame have the same time, so only stages that use the number can distinguish them. What
// each segment takes on the link is no part of its verdict.
func (p *Program) Uniform(segments uint32) bool {
	if segments <= 1 {
		return true
	}
	if p.DuplicateChance|p.CorruptChance|p.ReorderChance != 0 || p.DelayJitter != 0 && p.DelaySlice == 0 {
		return false
	}
	switch {
	case Chance(p.PercentDrop) >= Always:
		return true
	case p.PercentDrop != 0 || p.Stages&chained != 0:
		return false
	}
	return p.EveryN == 1 || p.EveryN == 0 && p.Stages&listed == 0
}

// Holds reports whether the program has a stage that makes packets wait: for the link, for
// a time, for other packets or for an opening. Then all packets must go through the line,
// so that none overtakes one that waits.
func (p *Program) Holds() bool {
	return p.RateBits|p.DelayTime|p.DelayJitter|p.ReorderChance|p.SlotMin != 0
}

// sinceEpoch returns the time from an epoch to now. It treats a time before the epoch as
// the epoch, because the clock reading of a batch may be a little older than the program.
func sinceEpoch(now Time, epoch uint64) uint64 {
	if uint64(now) <= epoch {
		return 0
	}
	return uint64(now) - epoch
}
