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

// This is the only file that knows all stages. A stage is a line in each of the places
// below; doc.go has the list.

// Policy is what a person asks for one direction: a list of stages, checked.
// It is an immutable value, compared with ==. The zero value is "pass", which
// relays everything.
type Policy struct {
	percent percent
	every   every
	time    onOff
}

// The numbers of the stages: of their verdicts, of their random keys and of their bits
// in Stages. Seeds that were written down depend on them, so none ever changes.
const (
	byPercent Verdict = 1
	byTime    Verdict = 2
	byEvery   Verdict = 3
)

// StageNumbers is more than any stage's number. What counts by stage has so many
// counters, in the kernel as well (decide.h).
const StageNumbers = 16

// table is all stages in canonical order, which is also the order of their effects.
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
	// Stages is the set of the stages that the program has. A data plane that
	// does not know one of them must not carry the program out. Decide does not
	// read it.
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
	// TimeCycle is ON + OFF, in nanoseconds; 0 means that there is no such stage.
	TimeCycle uint64

	// EveryN is N: each Nth packet is dropped; 0 means that there is no such stage.
	EveryN uint64
}

// Decide is the verdict on packet number seq passing at now: the first stage in
// canonical order that drops the packet, or Relay. It depends on nothing but the
// program and these two. Numbers are the caller's: one for each packet of a direction,
// in any order and from any goroutine.
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

// Whole says whether one verdict may serve a frame of that many segments: if
// it is true, Decide gives all of them the same verdict at any one time,
// whatever their numbers. If it is false, they may still happen to agree.
// What passes at one time is in one phase, so only stages that go by the number can
// tell segments apart, and only those that do not drop all or none of them.
func (p *Program) Whole(segments uint32) bool {
	return segments <= 1 || Chance(p.PercentDrop) >= Always || p.PercentDrop == 0 && p.EveryN <= 1
}
