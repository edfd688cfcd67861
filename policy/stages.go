// # Stages
//
// In canonical order:
//
//	percent.go    percent N: relay N per cent of the packets. N is a decimal number from 0 to
//	              100 with at most 6 decimals, and may end in %; 0 and 100 are exact
//	every.go      every N: drop each Nth packet. N is a whole number, 1 or more
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
	every     every
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
)

// StageNumbers is greater than any stage's number. It is the number of counters wherever
// packets are counted by stage, also in the kernel (decide.h).
const StageNumbers = 16

// table lists all stages in canonical order, which is also the order of their effects.
var table = []row{
	{"percent", ByPercent, func(p *Policy) stage { return &p.percent }},
	{"every", ByEvery, func(p *Policy) stage { return &p.every }},
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
