// # Stages
//
// In canonical order:
//
//	percent.go    percent N [run L]: relay N per cent of the packets. N is a decimal number from
//	              0 to 100 with at most 6 decimals, and may end in %; 0 and 100 are exact. With
//	              run, losses come L in a row on average
//	gemodel.go    gemodel P [R [BAD [GOOD]]]: the Gilbert–Elliott model, in per cent
//	state.go      state P13 [P31 [P32 [P23 [P14]]]]: the chain of four states of tc
//	every.go      every N: drop each Nth packet. N is a whole number, 1 or more
//	exactly.go    exactly K of N: drop K packets of each N, at places drawn anew each time
//	drop.go       drop LIST: drop the packets with these numbers, counted from the change
//	time.go       time ON OFF: relay for ON, drop for OFF, and so on. Both are durations such
//	              as 500ms, 1.5s or 1h30m, or whole numbers of jiffies of 10 ms; one may be zero
//	ecn.go        ecn: mark what those above drop, if it is ECN-capable
//	duplicate.go  duplicate P [copies C]: P per cent of the packets get C copies, 1 to 100
//	corrupt.go    corrupt P [bits B]: flip B bits, 1 to 100, in P per cent of the packets
//	rate.go       rate R [overhead BYTES] [cell BYTES [overhead BYTES]]: a link of that rate
//	queue.go      queue N|BYTES|TIME [mark TIME]: the bound of the link's queue
//	delay.go      delay T [jitter J …]: leave T later, with a random part
//	reorder.go    reorder P [by K]: P per cent of the packets leave behind K later ones
//	slot.go       slot MIN [MAX] [packets N] [bytes N]: leave in bursts
package policy

// This file and program.go are the only ones that know all stages. Each stage has a line in
// each of the places below; doc.go lists them.

// Policy is the checked policy of one direction: a list of stages. It is an immutable value
// and can be compared with ==. The zero value is "pass", which relays everything.
type Policy struct {
	percent   percent
	gemodel   gemodel
	state     states
	every     every
	exactly   exactly
	drop      drop
	time      onOff
	ecn       ecn
	duplicate duplicate
	corrupt   corrupt
	rate      rate
	queue     queue
	delay     delay
	reorder   reorder
	slot      slot
}

// The numbers of the stages: for verdicts, random keys and bits in Stages. Recorded seeds
// depend on them, so a number never changes.
const (
	ByPercent   Stage = 1
	ByTime      Stage = 2
	ByEvery     Stage = 3
	ByDelay     Stage = 4
	ByRate      Stage = 5
	ByQueue     Stage = 6
	ByDuplicate Stage = 7
	ByCorrupt   Stage = 8
	ByReorder   Stage = 9
	BySlot      Stage = 10
	ByECN       Stage = 11
	ByGEModel   Stage = 12
	ByState     Stage = 13
	ByExactly   Stage = 14
	ByDrop      Stage = 15
)

// WithRun is the bit in Stages of percent … run: a data plane that knows percent need not know
// run. It is above the numbers of all stages.
const WithRun Stages = 1 << 32

// Losses are the stages that lose packets and do nothing else.
const Losses = chained | Stages(1<<ByPercent|1<<ByEvery|1<<ByExactly|1<<ByDrop|1<<ByTime)

// RareLosses are those of Losses that take more than a few nanoseconds to decide about, and
// more room in a program.
const RareLosses = rare

const (
	chained = WithRun | Stages(1<<ByGEModel|1<<ByState) // losses with memory
	listed  = Stages(1<<ByExactly | 1<<ByDrop)
	rare    = chained | listed // without them a decision takes a few nanoseconds
)

// StageNumbers is greater than any stage's number. It is the number of counters wherever
// packets are counted by stage, also in the kernel (decide.h).
const StageNumbers = 20

// table lists all stages in canonical order, which is also the order of their effects.
var table = []row{
	{"percent", ByPercent, func(p *Policy) stage { return &p.percent }},
	{"gemodel", ByGEModel, func(p *Policy) stage { return &p.gemodel }},
	{"state", ByState, func(p *Policy) stage { return &p.state }},
	{"every", ByEvery, func(p *Policy) stage { return &p.every }},
	{"exactly", ByExactly, func(p *Policy) stage { return &p.exactly }},
	{"drop", ByDrop, func(p *Policy) stage { return &p.drop }},
	{"time", ByTime, func(p *Policy) stage { return &p.time }},
	{"ecn", ByECN, func(p *Policy) stage { return &p.ecn }},
	{"duplicate", ByDuplicate, func(p *Policy) stage { return &p.duplicate }},
	{"corrupt", ByCorrupt, func(p *Policy) stage { return &p.corrupt }},
	{"rate", ByRate, func(p *Policy) stage { return &p.rate }},
	{"queue", ByQueue, func(p *Policy) stage { return &p.queue }},
	{"delay", ByDelay, func(p *Policy) stage { return &p.delay }},
	{"reorder", ByReorder, func(p *Policy) stage { return &p.reorder }},
	{"slot", BySlot, func(p *Policy) stage { return &p.slot }},
}
