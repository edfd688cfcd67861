// # Stages
//
// In canonical order:
//
//	percent.go  percent N: relay N per cent of the packets. N is a decimal number from 0 to
//	            100 with at most 6 decimals, and may end in %; 0 and 100 are exact
//	every.go    every N: drop each Nth packet. N is a whole number, 1 or more
//	time.go     time ON OFF: relay for ON, drop for OFF, and so on. Both are durations such
//	            as 500ms, 1.5s or 1h30m, or whole numbers of jiffies of 10 ms; one may be zero
package policy

// This is the only file that knows all stages. Each stage has a line in each of the places
// below; doc.go lists them.

// Policy is the checked policy of one direction: a list of stages. It is an immutable value
// and can be compared with ==. The zero value is "pass", which relays everything.
type Policy struct {
	percent percent
	every   every
	time    onOff
}

// The numbers of the stages: for verdicts, random keys and bits in Stages. Recorded seeds
// depend on them, so a number never changes.
const (
	byPercent Verdict = 1
	byTime    Verdict = 2
	byEvery   Verdict = 3
)

// StageNumbers is greater than any stage's number. It is the number of counters wherever
// packets are counted by stage, also in the kernel (decide.h).
const StageNumbers = 16

// table lists all stages in canonical order, which is also the order of their effects.
var table = []row{
	{"percent", byPercent, func(p *Policy) stage { return &p.percent }},
	{"every", byEvery, func(p *Policy) stage { return &p.every }},
	{"time", byTime, func(p *Policy) stage { return &p.time }},
}

// Program is a compiled policy. It has the same bytes in Go and in a BPF map:
// 64-bit integers in host order without padding. Each field belongs to the
// stage it is named after, and zero fields are an absent stage, so the zero
// Program relays everything. [Policy.Compile] makes programs; Decide and Whole
// are defined for any other values too.
//
// A program is never changed, only replaced. Any number of goroutines may use it.
type Program struct {
	// Stages is the set of stages that the program has. A data plane must not carry out a
	// program with a stage that it does not know. Decide does not read this field.
	Stages Stages

	// PercentDrop is the [Chance] that a packet is dropped: 0 is never,
	// 1<<32 (or more) is always.
	PercentDrop uint64
	// PercentKey is the key of the stage's draws.
	PercentKey uint64

	// TimeEpoch is when the first relaying phase begins, a [Time].
	TimeEpoch uint64
	// TimeOn is how long each relaying phase lasts, in nanoseconds.
	TimeOn uint64
	// TimeCycle is ON + OFF, in nanoseconds; 0 means that the stage is absent.
	TimeCycle uint64

	// EveryN is N: each Nth packet is dropped; 0 means that the stage is absent.
	EveryN uint64
}

// Decide returns the verdict on packet number seq at the time now: the first stage in
// canonical order that drops the packet, or Relay. It depends only on the program and the
// two arguments. The caller assigns the numbers, one to each packet of a direction; it may
// ask in any order and from any goroutine.
func (p *Program) Decide(now Time, seq uint64) Verdict {
	if p.percentDrops(seq) {
		return byPercent
	}
	if p.everyDrops(seq) {
		return byEvery
	}
	if p.timeDrops(now) {
		return byTime
	}
	return Relay
}

// Whole reports whether one verdict is valid for a frame with this many segments. If it
// returns true, Decide gives all segments the same verdict at any one time, no matter what
// their numbers are. If it returns false, the verdicts may still be equal. All segments of
// a frame have the same time, so only stages that use the number can distinguish them, and
// only if they drop neither all packets nor none.
func (p *Program) Whole(segments uint32) bool {
	return segments <= 1 || Chance(p.PercentDrop) >= Always || p.PercentDrop == 0 && p.EveryN <= 1
}
